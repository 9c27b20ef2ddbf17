"""Rows of tables as they are read: texts stay texts, dates become hours."""

from pathlib import Path

import pandas as pd
import pytest

from flame.streams.sources.tables.config import TableConfig, paths_of
from flame.streams.sources.tables.features import features, numbers
from flame.streams.sources.tables.outcomes import with_outcomes
from flame.streams.sources.tables.rows import SITE, TIME, is_number, read_rows


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


def test_features_are_scaled_by_the_first_rows_alone(folder: Path) -> None:
    settings = config(folder)
    table, classes = with_outcomes(settings, read_rows(settings, 0))
    assert classes == ("no", "yes")
    first = table.x.isin(["1", "3"]).to_numpy()
    # Of 1 and 3 the mean is 2 and the deviation 1.
    scaled = dict(zip(table.x, features(settings, table, first)[:, 0], strict=True))
    assert scaled == {"1": -1, "3": 1, "5": 3}


def test_numbers_name_the_cell_that_is_none() -> None:
    assert numbers(pd.Series(["1.5", " 2 "]), "rows.csv").tolist() == [1.5, 2.0]
    assert is_number(pd.Series(["1e3", "-2"]))
    assert not is_number(pd.Series(["1", "2020-01-01"]))
