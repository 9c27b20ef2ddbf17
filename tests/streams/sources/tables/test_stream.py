"""Streams of tables: steps, sites, outcomes ahead of time, and real data."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.streams.sources.tables.config import SITE, TableConfig
from flame.streams.sources.tables.features import since
from flame.streams.sources.tables.rows import read_rows
from flame.streams.sources.tables.shifted import with_changes
from flame.streams.sources.tables.stream import table_stream


def written(folder: Path, **columns: list[object]) -> str:
    path = folder / "rows.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return str(path)


def hourly(folder: Path) -> TableConfig:
    hours = [f"2020-01-01T{h:02d}:00" for h in range(8)]
    path = written(
        folder,
        site=["x"] * 8 + ["y"] * 8,
        time=hours * 2,
        huge=[1e308] * 16,
        endless=[*range(15), "inf"],
        level=[1, 2, 3, 4, 5, 6, 7, 8] * 2,
        wind=list(range(16)),
    )
    return TableConfig(
        files=(path,),
        outcome="level",
        features=("wind",),
        time_columns=("time",),
        site_column="site",
        step=4 / 24,
        above=4.5,
        ahead=2.0,
    )


def test_outcomes_come_from_later_and_never_from_the_next_step(tmp_path: Path) -> None:
    found = table_stream(hourly(tmp_path), 1, 0)
    assert found.nodes == ("x", "y")
    assert len(found.batches) == 2
    # hours 0 and 1 hear of 2 and 3 (levels 3, 4); those of 2 and 3 lie in the next step
    assert found.batches[0].y.tolist() == [[0, 0], [0, 0]]
    assert found.batches[1].y.tolist() == [[1, 1], [1, 1]]
    # scaled by all values so far: 0, 1, 8, 9 have mean 4.5 and deviation sqrt(16.25),
    # with 4, 5, 12, 13 mean 6.5 and deviation 4.5
    assert np.allclose(found.batches[0].x[0, :, 0], (np.array([0, 1]) - 4.5) / np.sqrt(16.25))
    assert np.allclose(found.batches[1].x[0, :, 0], (np.array([4, 5]) - 6.5) / 4.5)
    assert (found.concept == -1).all()
    assert (found.rows, found.left_out) == (8, 8)  # of 16, the last two hours of each step


def test_files_in_sequence_are_dealt_to_nodes(tmp_path: Path) -> None:
    for name, low in (("a", 0), ("b", 1000)):
        pd.DataFrame({"y": [0, 1] * 60, "x": range(low, low + 120)}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    config = TableConfig(
        files=(str(tmp_path / "*.csv"),), outcome="y", features=("x",), deal=3, parts=2, above=0
    )
    found = table_stream(config, 1, 0)
    assert [int(b.exists.sum()) for b in found.batches] == [60, 60, 60, 60]
    assert found.batches[0].x.max() < found.batches[2].x.min()


def test_a_feature_is_scaled_once_enough_of_it_is_known(tmp_path: Path) -> None:
    """Unknown in the first step, two values in the second, 40 in the third, other ones later."""
    rng = np.random.default_rng(0)
    third = rng.normal(1000, 50, 40)
    level = [np.full(40, np.nan), [900.0, 1100.0, *[np.nan] * 38], third, rng.normal(3000, 1, 40)]
    path = written(
        tmp_path,
        site=["a", "b"] * 80,
        day=np.repeat(range(4), 40),
        y=[0, 0, 1, 1] * 40,
        level=np.concatenate(level),
        same=[7.0] * 159 + [8.0],
    )
    config = TableConfig(
        files=(path,),
        outcome="y",
        features=("level", "same"),
        time_columns=("day",),
        site_column="site",
        step=1.0,
    )
    found = [
        batch.x.transpose(1, 0, 2).reshape(40, 2) for batch in table_stream(config, 1, 0).batches
    ]
    so_far = np.array([900.0, 1100.0, *third])
    assert not found[0].any()
    assert np.allclose(found[1][:2, 0], [-1, 1])
    for rows, values in zip(found[2:], (third, level[3]), strict=True):
        expected = np.clip((values - so_far.mean()) / so_far.std(), -10, 10)
        assert np.allclose(rows[:, 0], expected)
    assert not any(rows[:, 1].any() for rows in found[:3])  # a feature that never varied


def test_classes_missing_cells_and_periods(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        s=["x", "y"] * 4,
        t=[0, 0, 1, 1, 10, 10, 11, 11],
        rating=["PD", "SD", "CR", "PD", "PD", "SD", "SD", "odd"],
        v=[1, "?", 3, 1, 2, 2, 2, 2],
        hour=[0, 6, 12, 18, 0, 6, 12, 18],
    )
    config = TableConfig(
        files=(path,),
        outcome="rating",
        positive=("PD",),
        features=("v",),
        among=("PD", "SD", "CR"),
        time_columns=("t",),
        site_column="s",
        step=10,
        missing=("?",),
        cyclic={"hour": 24.0},
    )
    found = table_stream(config, 1, 0)
    assert found.classes == ("other", "PD")
    assert found.batches[0].y.tolist() == [[1, 0], [0, 1]]
    assert found.batches[1].exists.tolist() == [[True, True], [True, False]]  # odd is left out
    assert found.batches[0].x[1, 0, 0] == 0  # a missing one is the mean
    assert found.batches[0].x.shape[-1] == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"features": ("gone",)}, "gone"),
        ({"outcome": "site", "ahead": 0.0}, "not a number"),
        ({"step": 9.0}, "one step"),
        ({"site_column": "", "ahead": 0.0}, "1 node"),
        ({"site_column": ""}, "8 of 16 rows have the node and time"),
        ({"step": 1 / 24}, "lies in a later step"),
        ({"site_column": "", "deal": 9, "subject_column": "site"}, "9 nodes, .* names only 2"),
        ({"above": 99.0}, "one class"),
        ({"places": {"x": (1.0, 2.0)}}, "of y"),
        ({"time_columns": ("site",)}, "neither numbers nor dates"),
        ({"time_columns": ("endless",)}, "infinite time"),
        ({"features": ("huge",)}, "1e100"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, given: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        table_stream(replace(hourly(tmp_path), **given), 1, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"time_columns": ()}, "ahead needs table.time_columns"),
        ({"deal": -3}, "deal must be 0 or more"),
        ({"time_columns": (), "ahead": 0.0, "site_column": ""}, "a node and a time"),
        ({"ahead": 0.0, "subject_column": "site"}, "only with table.deal, ahead, changes or start"),
        ({"places": {"x": (4000.0, 2.0)}}, "latitude from -90 to 90"),
    ],
)
def test_bad_configurations_of_tables_are_refused(
    tmp_path: Path, given: dict[str, object], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        replace(hourly(tmp_path), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [{"site_column": "hospital"}, {"deal": 2}])
def test_outcomes_ahead_are_of_the_same_subject(tmp_path: Path, given: dict[str, object]) -> None:
    """Each patient has an outcome for life, and two are seen at any time."""
    cells = [(w, p, f"h{p % 2}", p // 2 % 2) for p in range(8) for w in range(10)]
    week, patient, hospital, y = map(list, zip(*cells, strict=True))
    path = written(tmp_path, week=week, patient=patient, hospital=hospital, y=y, x=y)
    config = TableConfig(
        files=(path,),
        outcome="y",
        features=("x",),
        time_columns=("week",),
        step=5,
        ahead=1,
        subject_column="patient",
        **given,
    )  # type: ignore[arg-type]
    found = table_stream(config, 1, 0)
    for batch in found.batches:
        assert ((batch.x[..., 0] > 0) == (batch.y == 1))[batch.exists].all()
    assert (found.rows, found.left_out) == (64, 16)  # the last week of each step asks the next


def test_subjects_are_dealt_whole_and_evenly_in_every_file(tmp_path: Path) -> None:
    for name in "ab":
        table = pd.DataFrame({"p": [f"p{k % 23}" for k in range(92)], "y": [0, 1] * 46})
        table.assign(x=[k % 23 for k in range(92)]).to_csv(tmp_path / f"{name}.csv", index=False)
    config = TableConfig(
        files=(str(tmp_path / "*.csv"),), outcome="y", features=("x",), deal=10, subject_column="p"
    )
    one, other = table_stream(config, 1, 0), table_stream(config, 1, 1)
    assert one.nodes == other.nodes == tuple(f"node-{k:02d}" for k in range(1, 11))
    held = [[set(b.x[n, b.exists[n], 0].tolist()) for n in range(10)] for b in one.batches]
    assert held[0] == held[1]
    assert sorted(map(len, held[0])) == [2] * 7 + [3] * 3
    assert not np.array_equal(one.batches[0].x, other.batches[0].x)


@pytest.mark.parametrize(("ahead", "kept"), [(0.1, 392), (0.3, 376)])
def test_times_that_are_no_binary_fractions_are_met(
    tmp_path: Path, ahead: float, kept: int
) -> None:
    path = written(
        tmp_path,
        s=["x"] * 200 + ["y"] * 200,
        t=[k / 10 for k in range(200)] * 2,
        y=[k % 2 for k in range(400)],
        v=list(range(400)),
    )
    config = TableConfig(
        files=(path,),
        outcome="y",
        features=("v",),
        time_columns=("t",),
        site_column="s",
        step=5,
        ahead=ahead,
    )
    assert table_stream(config, 1, 0).rows == kept


def test_any_name_of_a_column_and_the_same_number_in_other_words(tmp_path: Path) -> None:
    days = [f"2020-{1 + k // 28:02d}-{1 + k % 28:02d}" for k in range(56)]
    for name, yes, no in (("a", "1", "0"), ("b", " 1.0", "0.0 ")):
        cells = {"_time": days, "_y": [yes, no] * 28, "_site": range(56)}
        pd.DataFrame(cells).to_csv(tmp_path / f"{name}.csv", index=False)
    config = TableConfig(
        files=(str(tmp_path / "*.csv"),),
        outcome="_y",
        features=("_site",),
        time_columns=("_time",),
        step=28,
    )
    found = table_stream(config, 1, 0)
    assert found.classes == ("0", "1")
    assert len(found.batches) == 3  # January has three days more
    assert np.array_equal(found.batches[0].y[0], found.batches[0].y[1])
    named = table_stream(replace(config, positive=("1.0",)), 1, 0)
    assert np.array_equal(named.batches[0].y, found.batches[0].y)


def test_two_files_of_one_name_and_a_broken_one_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, t=[0, 1], x=[1, 2], y=[0, 1])
    files = tuple(str(tmp_path / folder / "rows.csv") for folder in ("a", "b"))
    config = TableConfig(files=files, outcome="y", features=("x",), time_columns=("t",), step=1)
    with pytest.raises(BadInput, match="one node, 'rows'"):
        table_stream(config, 1, 0)
    packed = gzip.compress((tmp_path / "a" / "rows.csv").read_bytes())
    (tmp_path / "rows.csv.gz").write_bytes(packed[:-9])
    with pytest.raises(BadInput, match=r"rows.csv.gz is not a complete .gz file"):
        table_stream(replace(config, files=(str(tmp_path / "rows.csv.gz"),)), 1, 0)


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        ("time", ["2020-01-01"] * 15 + ["31.12.2020"], "contains neither.*1 of 16 rows.* row 16"),
        ("time", ["7"] * 15 + ["abc"], "contains numbers, except in 1 of 16 rows.* row 16"),
        ("time", ["20201231"] * 16, "dates such as 20201231.*write them as 2020-12-31"),
        ("site", ["x"] * 15 + [""], "site is empty in 1 rows"),
        ("wind", ["1"] * 15 + ["abc"], r"rows.csv, row 16, column wind: not a number"),
    ],
)
def test_cells_that_would_be_dropped_are_refused(
    tmp_path: Path, column: str, cells: list[str], message: str
) -> None:
    config = hourly(tmp_path)
    table = pd.read_csv(config.files[0]).assign(**{column: cells})
    table.to_csv(config.files[0], index=False)
    with pytest.raises(BadInput, match=message):
        table_stream(config, 1, 0)


def test_a_number_that_nobody_cut_is_no_outcome(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        s=["x", "y"] * 40,
        t=list(range(80)),
        y=[k / 7 for k in range(80)],
        v=list(range(80)),
    )
    config = TableConfig(
        files=(path,), outcome="y", features=("v",), time_columns=("t",), site_column="s", step=10
    )
    with pytest.raises(BadInput, match="80 values.*above"):
        table_stream(config, 1, 0)


def test_real_air_quality(shared: Callable[[str], Path]) -> None:
    files = (str(shared("streams/beijing_prsa") / "*.csv.gz"),)
    config = TableConfig(
        files=files,
        outcome="PM2.5",
        above=75,
        ahead=6,
        features=("PM2.5", "TEMP"),
        time_columns=("year", "month", "day", "hour"),
        site_column="station",
        rows=100,
    )
    found = table_stream(config, 2, 0)
    assert len(found.nodes) == 9
    assert len(found.batches) == 49  # 1461 days in steps of 30
    # independently, with pandas: Dongsi, the row of 2013-03-03 00:00 asks about 06:00
    one = pd.read_csv(next(shared("streams/beijing_prsa").glob("*Dongsi*")))
    level = one[(one.month == 3) & (one.day == 3) & (one.hour == 6) & (one.year == 2013)]["PM2.5"]
    first = table_stream(TableConfig(**{**vars(config), "rows": 0, "step": 1.0}), 2, 0).batches[2]
    assert first.y[found.nodes.index("Dongsi"), 0] == int(level.iloc[0] > 75)


def test_a_node_without_outcomes_is_left_out_by_name(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        site=["a", "b", "c"] * 4,
        day=np.repeat([0, 1], 6),
        y=[0, 1, None, 1, 0, None] * 2,
        x=range(12),
    )
    config = TableConfig(
        files=(path,),
        outcome="y",
        features=("x",),
        time_columns=("day",),
        site_column="site",
        step=1.0,
    )
    found = table_stream(config, 1, 0)
    assert (found.nodes, found.silent, found.left_out) == (("a", "b"), ("c",), 4)


def test_a_rise_and_changes_are_differences_in_time(tmp_path: Path) -> None:
    """Levels 0, 1, 4, 9, ... of x and the negative of y; y lacks its third hour."""
    hours = pd.date_range("2020-01-01", periods=8, freq="h").astype(str)
    level = np.arange(8.0) ** 2
    path = written(
        tmp_path,
        site=["x"] * 8 + ["y"] * 7,
        time=[*hours, *hours[:2], *hours[3:]],
        level=[*level, *-level[:2], *-level[3:]],
    )
    config = TableConfig(
        files=(path,),
        outcome="level",
        features=("level",),
        changes={"level": 1.0},
        time_columns=("time",),
        site_column="site",
        step=4 / 24,
        ahead=1.0,
        rise=True,
        above=4.0,
    )
    table = with_changes(config, read_rows(config, 0))
    change = {key: part[since("level")].tolist() for key, part in table.groupby(SITE)}
    assert change["x"][1:] == [1, 3, 5, 7, 9, 11, 13]
    assert change["y"][1] == -1
    assert np.isnan([change["x"][0], change["y"][0], change["y"][2]]).all()
    found = table_stream(config, 1, 0)
    # x rises by 1, 3, 5 | 9, 11, 13; y falls, from hour 0 | 4, 5, 6
    assert found.batches[0].y[0].tolist() == [0, 0, 1]
    assert found.batches[1].y[0].tolist() == [1, 1, 1]
    assert not any(batch.y[1].any() for batch in found.batches)
    assert [int(batch.exists[1].sum()) for batch in found.batches] == [1, 3]
    assert found.shape == (2,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rise": True}, "table.rise needs table.ahead"),
        ({"changes": {"depth": 1.0}}, "table.changes names a column"),
        ({"changes": {"level": 1.0}, "time_columns": ()}, "table.changes needs table.time_columns"),
    ],
)
def test_changes_and_rises_that_cannot_be(given: dict[str, Any], message: str) -> None:
    common: dict[str, Any] = {
        "files": ("t.csv",),
        "outcome": "y",
        "features": ("level",),
        "time_columns": ("time",),
        "site_column": "site",
    }
    with pytest.raises(BadInput, match=message):
        TableConfig(**{**common, **given})
