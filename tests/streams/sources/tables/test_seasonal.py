"""Outcomes below the quantile of their season: quantiles by hand, and nothing from later."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.streams.sources.tables.config import SITE, TIME, TableConfig
from flame.streams.sources.tables.outcomes import Y, with_outcomes
from flame.streams.sources.tables.rows import hours, read_rows
from flame.streams.sources.tables.seasonal import seasonal_quantiles
from flame.streams.sources.tables.stream import table_stream

CONFIG = TableConfig(
    outcome="level",
    features=("rain",),
    time_columns=("time",),
    site_column="gauge",
    below_quantile=0.2,
    ahead=24.0,
    step=60.0,
)


def table(folder: Path, days: int, level: "np.ndarray | None" = None) -> TableConfig:
    """Two gauges; the level of b is 1000 higher, and every value is its day since 2018-01-01."""
    times = pd.date_range("2018-01-01", periods=days).strftime("%Y-%m-%d")
    level = np.arange(days) if level is None else level
    rows = pd.DataFrame({"gauge": ["a"] * days + ["b"] * days, "time": [*times, *times]})
    rows["level"], rows["rain"] = [*level, *(level + 1000)], 1
    rows.to_csv(folder / f"{days}.csv", index=False)
    return replace(CONFIG, files=(str(folder / f"{days}.csv"),))


def test_quantiles_are_of_the_31_days_around_the_same_day_of_earlier_years(tmp_path: Path) -> None:
    """Day 400 is 2019-02-05, and its outcome of 2019-02-06; a year before it was day 36.

    The season is 21 to 51, whose quantile 0.2 is 21 + 0.2 * 30 = 27. Two years after day 36, in
    2020, two seasons of 31 values count: 21 to 51 and 386 to 416, with the quantile at place
    0.2 * 61 = 12.2 of all, 33.2.
    """
    config = table(tmp_path, 1000)
    rows = read_rows(config, 0)
    found = pd.Series(seasonal_quantiles(config, rows, 0.2), index=rows.index)
    of_gauge = {name: found[rows.gauge == name].to_numpy() for name in "ab"}
    assert of_gauge["a"][400] == pytest.approx(27)
    assert of_gauge["b"][400] == pytest.approx(1027)
    assert of_gauge["a"][765] == pytest.approx(33.2)  # 2020-02-05
    # day 0 to 29 of the season of 2019-01-15 are 30 values, those of the day before 29
    assert np.isnan(of_gauge["a"][:377]).all()
    assert of_gauge["a"][378] == pytest.approx(0.2 * 29)


def test_what_comes_later_changes_no_class(tmp_path: Path) -> None:
    level = np.random.default_rng(0).normal(100, 20, 900)
    known, classes = with_outcomes(CONFIG, read_rows(table(tmp_path, 900, level), 0))
    early, _ = with_outcomes(CONFIG, read_rows(table(tmp_path, 600, level[:600]), 0))
    assert classes == (
        "not below the 20 % quantile of the season",
        "below the 20 % quantile of the season",
    )
    assert 0.1 < known[Y].mean() < 0.3  # 0.2 is expected of independent levels
    keys = [TIME, "gauge"]
    both = early.merge(known, on=keys, suffixes=("_early", ""))
    assert len(both) == len(early) == 2 * (600 - 1 - 378)
    assert (both[f"{Y}_early"] == both[Y]).all()


def test_a_stream_begins_with_its_second_year(tmp_path: Path) -> None:
    level = np.random.default_rng(0).normal(100, 20, 800)
    stream = table_stream(table(tmp_path, 800, level), 1, 0)
    assert stream.rows + stream.left_out == 1600
    assert sum(int(batch.exists.sum()) for batch in stream.batches) == stream.rows
    assert stream.rows <= 2 * (800 - 1 - 378)


def test_one_year_has_no_season_to_compare_with(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="an earlier year has values"):
        table_stream(table(tmp_path, 300), 1, 0)


def test_rows_without_a_time_and_records_of_two_centuries_are_no_obstacle(tmp_path: Path) -> None:
    config = table(tmp_path, 800, np.random.default_rng(0).normal(100, 20, 800))
    rows = pd.read_csv(config.files[0])
    whole = table_stream(config, 1, 0)
    rows.loc[len(rows)] = {"gauge": "a", "time": None, "level": 1.0, "rain": 1}
    rows.to_csv(config.files[0], index=False)
    assert table_stream(config, 1, 0).rows == whole.rows
    dates = pd.date_range("1816-05-01", "2023-05-01", freq=pd.DateOffset(years=1))
    old = pd.DataFrame({SITE: "a", TIME: hours(pd.Series(dates)), "time": "date"})
    old["level"] = range(len(old))  # the quantile of 207 values from 0 to 206 is at 0.2 * 206
    assert seasonal_quantiles(replace(CONFIG, ahead=0.0), old, 0.2)[-1] == pytest.approx(41.2)


def test_a_table_without_times_yet_has_no_outcome(tmp_path: Path) -> None:
    config = table(tmp_path, 40)
    rows = pd.read_csv(config.files[0]).iloc[:0]
    rows.to_csv(config.files[0], index=False)
    assert with_outcomes(config, read_rows(config, 0))[0].empty


def test_times_need_years(tmp_path: Path) -> None:
    config = table(tmp_path, 40)
    rows = pd.read_csv(config.files[0]).assign(time=[*range(40), *range(40)])
    rows.to_csv(config.files[0], index=False)
    with pytest.raises(BadInput, match="seasons need dates"):
        table_stream(config, 1, 0)
    with pytest.raises(BadInput, match="set one of above, below_quantile and positive"):
        replace(CONFIG, above=1.0)
    with pytest.raises(BadInput, match=r"below_quantile needs table\.time_columns"):
        replace(CONFIG, time_columns=(), ahead=0.0)
