"""A site's own table: batches by hand, late rows, few patients, and a table that grows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput, Refusal
from flame.streams.config import SitesConfig, StreamConfig, frame_at_sites
from flame.streams.nodes.site_table import SiteTable
from flame.streams.sources.tables.config import TableConfig
from flame.streams.sources.tables.stream import table_stream

TABLE = TableConfig(
    outcome="ill",
    features=("a",),
    time_columns=("when",),
    positive=("1",),
    step=10.0,
    start="2024-01-01",
    scale="node",
)
CONFIG = StreamConfig(table=TABLE, sites=SitesConfig(names=("x", "y"), steps=3))
HEADER = "when,patient,a,ill\n"
FIRST = "2024-01-02,1,1.0,0\n2024-01-03,2,3.0,1\n"
SECOND = "2024-01-12,3,5.0,1\n2024-01-13,4,7.0,0\n"


def written(folder: Path, *rows: str) -> Path:
    path = folder / "rows.csv"
    path.write_text(HEADER + "".join(rows))
    return path


def test_a_batch_has_the_rows_of_its_step_scaled_by_those_so_far(tmp_path: Path) -> None:
    """By hand: 1 and 3 have mean 2 and deviation 1; with 5 and 7 mean 4 and sqrt(5)."""
    table = SiteTable(CONFIG, written(tmp_path, FIRST, SECOND))
    first, second = table.batch(0), table.batch(1)
    assert first.y[0].tolist() == [0, 1]
    assert first.x[0, :, 0] == pytest.approx(np.array([-1, 1]))
    assert second.x[0, :, 0] == pytest.approx(np.array([1, 3]) / np.sqrt(5))
    assert not table.batch(2).exists.any()


def test_rows_that_arrive_late_are_in_the_next_batch_and_in_one_only(tmp_path: Path) -> None:
    table = SiteTable(CONFIG, written(tmp_path, FIRST))
    assert table.batch(0).exists.sum() == 2
    late = "2024-01-04,9,9.0,1\n"
    written(tmp_path, FIRST, late, SECOND)
    assert table.batch(1).exists.sum() == 3
    assert not table.batch(2).exists.any()


def test_equal_rows_are_two_rows(tmp_path: Path) -> None:
    path = written(tmp_path, FIRST, "2024-01-02,1,1.0,0\n")
    assert SiteTable(CONFIG, path).batch(0).exists.sum() == 3


def test_fewer_patients_than_the_policy_asks_for_wait(tmp_path: Path) -> None:
    config = replace(CONFIG, table=replace(TABLE, subject_column="patient", ahead=24.0))
    rows = [f"2024-01-0{d},{p},1.0,{p % 2}\n" for d in (2, 3, 4) for p in (1, 2)]
    later = [f"2024-01-1{d},{p},1.0,{p % 2}\n" for d in (2, 3) for p in (3, 4)]
    table = SiteTable(config, written(tmp_path, *rows, *later), least=3)
    assert not table.batch(0).exists.any()  # two patients, in four rows with a row a day later
    assert table.batch(1).exists.sum() == 4 + 2
    assert SiteTable(config, tmp_path / "rows.csv", least=2).batch(0).exists.sum() == 4


def test_rows_of_one_patient_are_one_patient_whatever_the_configuration_says(
    tmp_path: Path,
) -> None:
    rows = [f"2024-01-0{d},7,{d}.5,{d % 2}\n" for d in range(2, 9)]
    table = SiteTable(CONFIG, written(tmp_path, *rows), least=3, patients="patient")
    assert not table.batch(0).exists.any()
    assert SiteTable(CONFIG, tmp_path / "rows.csv", least=3).batch(0).exists.sum() == 7
    with pytest.raises(Refusal, match="learns from 5 rows or more"):
        SiteTable(replace(CONFIG, table=replace(TABLE, rows=1)), tmp_path / "rows.csv", least=5)


def test_a_rewritten_table_and_a_corrected_outcome_are_no_further_rows(tmp_path: Path) -> None:
    table = SiteTable(CONFIG, written(tmp_path, FIRST))
    assert table.batch(0).exists.sum() == 2
    written(tmp_path, "2024-01-02 00:00,1,1,1\n2024-01-03T00:00:00,2,3,1\n")
    assert not table.batch(1).exists.any()


def test_all_methods_and_seeds_see_the_same_batch(tmp_path: Path) -> None:
    table = SiteTable(CONFIG, written(tmp_path, FIRST))
    first = table.batch(0)
    written(tmp_path, FIRST, "2024-01-04,9,9.0,1\n")
    assert table.batch(0) is first


def test_a_table_without_rows_or_known_outcomes_has_empty_batches(tmp_path: Path) -> None:
    assert not SiteTable(CONFIG, written(tmp_path)).batch(0).exists.any()
    assert not SiteTable(CONFIG, written(tmp_path, "2024-01-02,1,1.0,\n")).batch(0).exists.any()


@pytest.mark.parametrize("names", [("x", "server"), ("x", "x"), ("x", "../y")])
def test_names_that_no_site_can_have_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match=r"sites\.names"):
        frame_at_sites(replace(CONFIG, sites=replace(CONFIG.sites, names=names)))


def test_a_site_sees_what_the_whole_stream_gives_its_node(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("x", "y"):
        when = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.uniform(0, 30, 90)), "D")
        ill = rng.integers(0, 2, 90)
        rows = pd.DataFrame({"when": when, "a": rng.normal(size=90), "ill": ill})
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    files = tuple(str(tmp_path / f"{name}.csv") for name in ("x", "y"))
    whole = table_stream(replace(TABLE, files=files), 1, 0)
    for place, file in enumerate(files):
        table = SiteTable(CONFIG, Path(file))
        for step, batch in enumerate(whole.of(place).batches):
            own = table.batch(step)
            assert np.array_equal(own.x, batch.x)
            assert np.array_equal(own.y, batch.y)


def test_a_table_that_grows_is_read_when_the_step_is_over(tmp_path: Path) -> None:
    now = [pd.Timestamp("2024-01-05").timestamp()]
    path = written(tmp_path, FIRST)

    def wait(seconds: float) -> None:
        now[0] += 86_400.0 if seconds == 60 else seconds
        if now[0] > pd.Timestamp("2024-01-08").timestamp():
            written(tmp_path, FIRST, "2024-01-08,5,2.0,1\n")

    config = replace(CONFIG, sites=replace(CONFIG.sites, follow=True))
    table = SiteTable(config, path, clock=lambda: now[0], wait=wait)
    assert table.batch(0).exists.sum() == 3
    assert now[0] >= pd.Timestamp("2024-01-11").timestamp()


@pytest.mark.parametrize("half", ["2024-01-05,6,6", "2024-0", "2024-01-05,6,6.5,"])
def test_a_row_that_is_being_written_is_waited_for(half: str, tmp_path: Path) -> None:
    """Read too early, 6 would be learned for 6.5, and the whole row once more."""
    now = [pd.Timestamp("2024-01-30").timestamp()]
    path = written(tmp_path, FIRST, half)

    def wait(seconds: float) -> None:
        now[0] += seconds
        path.write_text(HEADER + FIRST + "2024-01-05,6,6.5,1\n")

    config = replace(CONFIG, sites=replace(CONFIG.sites, follow=True))
    batch = SiteTable(config, path, clock=lambda: now[0], wait=wait).batch(0)
    assert batch.exists.sum() == 3
    assert batch.y[0].tolist() == [0, 1, 1]


def test_a_last_line_without_an_end_counts_once_it_stays_as_it_is(tmp_path: Path) -> None:
    now = [pd.Timestamp("2024-01-30").timestamp()]
    path = written(tmp_path, FIRST, "2024-01-05,6,6.5,1")

    def wait(seconds: float) -> None:
        now[0] += seconds

    config = replace(CONFIG, sites=replace(CONFIG.sites, follow=True))
    table = SiteTable(config, path, clock=lambda: now[0], wait=wait)
    assert table.batch(0).exists.sum() == 3
    then = now[0]
    assert not table.batch(1).exists.any()
    assert now[0] == then  # it does not wait again


def test_a_table_that_is_renamed_into_place_is_waited_for(tmp_path: Path) -> None:
    now = [pd.Timestamp("2024-01-30").timestamp()]

    def wait(seconds: float) -> None:
        now[0] += seconds
        written(tmp_path, FIRST)

    config = replace(CONFIG, sites=replace(CONFIG.sites, follow=True))
    table = SiteTable(config, tmp_path / "rows.csv", clock=lambda: now[0], wait=wait)
    assert table.batch(0).exists.sum() == 2


def test_the_most_rows_of_a_patient_are_known(tmp_path: Path) -> None:
    path = written(tmp_path, FIRST, "2024-01-05,1,6.5,1\n")
    table = SiteTable(CONFIG, path, patients="patient")
    assert table.batch(0).exists.sum() == 3
    assert table.most_of_a_patient(0) == 2


def test_a_clock_cannot_tell_steps_of_plain_numbers() -> None:
    sites = replace(CONFIG.sites, follow=True)
    with pytest.raises(BadInput, match=r"sites\.follow"):
        frame_at_sites(replace(CONFIG, sites=sites, table=replace(TABLE, start="12")))
    assert frame_at_sites(replace(CONFIG, sites=sites)).steps == 3


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"positive": ()}, "table.above, below_quantile or positive"),
        ({"start": ""}, "table.start"),
        ({"scale": "all"}, r"table.scale = 'node'"),
        ({"columns": ("when", "a", "ill")}, "columns"),
    ],
)
def test_what_no_site_can_know_is_asked_for(change: dict[str, object], named: str) -> None:
    frame = frame_at_sites(CONFIG)
    assert (frame.nodes, frame.steps, frame.shape) == (("x", "y"), 3, (1,))
    with pytest.raises(BadInput, match=named):
        frame_at_sites(replace(CONFIG, table=replace(TABLE, **change)))  # type: ignore[arg-type]


def test_rows_without_an_outcome_arrive_too_and_once(tmp_path: Path) -> None:
    config = replace(CONFIG, table=replace(TABLE, device_column="patient"))
    unknown = "2024-01-04,9,9.0,\n"
    table = SiteTable(config, written(tmp_path, FIRST, unknown, SECOND))
    assert table.batch(0).exists.sum() == 2
    first = table.arrived(0)
    assert first.x[:, 0].tolist() == [1.0, 3.0, 9.0]  # as they are, not scaled
    assert first.device.tolist() == ["1", "2", "9"]
    again = SiteTable(config, tmp_path / "rows.csv")
    again.resume(table)
    written(tmp_path, FIRST, unknown.replace(",\n", ",1\n"), SECOND)
    assert again.arrived(1).x[:, 0].tolist() == [5.0, 7.0]
    assert again.batch(1).exists.sum() == 3  # the outcome of the late row is known now
    assert again.arrived(2).x.shape == (0, 1)
