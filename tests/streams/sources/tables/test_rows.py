"""Rows of tables as they are read: texts stay texts, dates become hours."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.streams.sources.tables.config import SITE, TIME, TableConfig, paths_of
from flame.streams.sources.tables.features import features, numbers
from flame.streams.sources.tables.outcomes import with_outcomes
from flame.streams.sources.tables.rows import is_number, read_rows


def config(folder: Path, **changes: object) -> TableConfig:
    given: dict[str, object] = {
        "files": (str(folder / "*.csv"),),
        "outcome": "y",
        "features": ("x",),
        "time_columns": ("date",),
        "site_column": "site",
        "step": 1.0,
    }
    return TableConfig(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = ["01,2020-01-02,5,no", "01,2020-01-01,1,yes", "1,2020-01-03,3,no"]
    (tmp_path / "rows.csv").write_text("\n".join(["site,date,x,y", *rows]))
    return tmp_path


def test_files_are_found_by_their_pattern(folder: Path) -> None:
    (folder / "again.csv").write_text("")
    assert [path.name for path in paths_of(config(folder))] == ["again.csv", "rows.csv"]


def test_sites_01_and_1_stay_two_and_rows_lie_in_the_order_of_days(folder: Path) -> None:
    table = read_rows(config(folder), 0)
    assert table[SITE].tolist() == ["01", "01", "1"]
    assert table.x.tolist() == ["1", "5", "3"]
    assert table[TIME].diff().tolist()[1:] == [24.0, 24.0]  # hours


def test_features_are_scaled_by_the_rows_so_far(folder: Path) -> None:
    settings = config(folder)
    table, classes = with_outcomes(settings, read_rows(settings, 0))
    assert classes == ("no", "yes")
    step = (table.x == "5").to_numpy(int)
    # Of 1 and 3 the mean is 2 and the deviation 1; of 1, 3 and 5 they are 3 and sqrt(8 / 3).
    scaled = dict(zip(table.x, features(settings, table, step)[:, 0], strict=True))
    assert scaled == pytest.approx({"1": -1, "3": 1, "5": 2 / np.sqrt(8 / 3)})


def test_numbers_name_the_cell_that_is_none() -> None:
    assert numbers(pd.Series(["1.5", " 2 "]), "rows.csv").tolist() == [1.5, 2.0]
    assert is_number(pd.Series(["1e3", "-2"]))
    assert not is_number(pd.Series(["1", "2020-01-01"]))


def test_whole_numbers_are_the_same_name_with_and_without_decimals(tmp_path: Path) -> None:
    """A program that met an empty cell writes 1.0; the numbers of days remain other nodes."""
    rows = ["1,2020-01-01,1,a", "1.0,2020-01-02,2,b", "01.0,2020-01-03,3,a", "1.5,2020-01-04,4,b"]
    (tmp_path / "rows.csv").write_text("\n".join(["site,date,x,y", *rows]))
    settings = config(tmp_path, subject_column="site", ahead=24.0)
    table = read_rows(settings, 0)
    assert table[SITE].tolist() == ["1", "1", "01", "1.5"]
    assert table.site.tolist() == ["1", "1", "01", "1.5"]


@pytest.mark.parametrize("zone", ["Z", "+01:00", "-0500", "+02"])
def test_times_with_and_without_a_zone_are_not_mixed(tmp_path: Path, zone: str) -> None:
    first, second = f"a,2020-01-01T10:00{zone},1,yes", "a,2020-01-02T10:00,3,no"
    header = "site,date,x,y"
    (tmp_path / "a.csv").write_text("\n".join([header, first, second]))
    with pytest.raises(BadInput, match=r"a\.csv: column date .* without one is row 2"):
        read_rows(config(tmp_path), 0)
    (tmp_path / "a.csv").write_text("\n".join([header, first]))
    (tmp_path / "b.csv").write_text("\n".join([header, second]))
    with pytest.raises(BadInput, match="some files name the time zone"):
        read_rows(config(tmp_path), 0)


def test_times_of_different_zones_are_one_time(tmp_path: Path) -> None:
    rows = ["a,2020-01-01T10:00Z,1,yes", "a,2020-01-01T12:00+02:00,3,no"]
    (tmp_path / "a.csv").write_text("\n".join(["site,date,x,y", *rows]))
    assert read_rows(config(tmp_path), 0)[TIME].nunique() == 1
