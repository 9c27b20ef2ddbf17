"""Values by day: only visits up to the landmark count."""

from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.io.visits import columns_of, read_visits, visit_features

TABLE = "person,day,kps,dexamethasone\na,90,60,8\na,0,90,0\na,30,80,\nb,10,70,4\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "visits.csv"
    path.write_text(TABLE)
    return path


def test_rows_are_in_order_of_day(table: Path) -> None:
    visits = read_visits(table, "person", ["kps"])
    assert [day for day, _ in visits["a"]] == [0, 30, 90]
    assert set(visits) == {"a", "b"}


@pytest.mark.parametrize(
    ("landmark", "expected"),
    [
        (-1, [np.nan, np.nan, np.nan, 0, np.nan]),
        (0, [90, 0, 0, 1, 0]),
        (45, [80, -10, 0, 2, 15]),  # dexamethasone is unknown on day 30
        (90, [60, -30, 8, 3, 0]),
    ],
)
def test_nothing_after_the_landmark_counts(
    table: Path, landmark: float, expected: list[float]
) -> None:
    names = ["visit.kps", "visit.kps change", "visit.dexamethasone", "visit.count"]
    names.append("visit.days since")
    visits = read_visits(table, "person", columns_of(names))
    found = visit_features(visits["a"], landmark, [*names, "age"])
    assert np.array_equal([found[n] for n in names], expected, equal_nan=True)
    assert "age" not in found


def test_a_missing_day_or_column_is_named(table: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no column 'nihss'"):
        read_visits(table, "person", ["nihss"])
    (tmp_path / "gap.csv").write_text("person,day,kps\na,,90\n")
    with pytest.raises(BadInput, match="line 2: column day is empty"):
        read_visits(tmp_path / "gap.csv", "person", ["kps"])


def test_ids_that_look_like_bids_and_ids_at_two_hospitals(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    path.write_text("id,centre,day,kps\nsub-1,A,0,90\nsub-1,B,0,40\n")
    for centre, value in (("A", 90.0), ("B", 40.0)):
        found = read_visits(path, "id", ["kps"], ("centre", centre))
        assert found == {"sub-1": [(0.0, {"kps": value})]}
