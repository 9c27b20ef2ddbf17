"""Streams whose nodes are processes of NVIDIA FLARE, against one process, to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput, FlameError
from flame.federation.flare.job import job_of_nodes
from flame.federation.flare.node_server import FlareNodes
from flame.federation.flare.node_site import FlareNode
from flame.federation.flare.running_program import (
    PROGRAMS,
    RunningProgram,
    delivered,
    place_of,
)
from flame.federation.gossip.network import GossipConfig
from flame.federation.mailbox import Mailbox
from flame.federation.run_files import DRIFT
from flame.pipelines import stream
from flame.streams.config import SitesConfig, StreamConfig
from flame.streams.learners.learner import Pace
from flame.streams.nodes.checkpoints import Checkpoints
from flame.streams.sources.mri import MRIConfig
from flame.streams.sources.schedules import ScheduleConfig
from flame.streams.sources.synthetic import SyntheticConfig
from flame.streams.sources.tables.config import TableConfig

FLARE = SitesConfig(engine="flare")
CONFIG = StreamConfig(
    synthetic=SyntheticConfig("sine", samples=40),
    schedule=ScheduleConfig(nodes=3, steps=4, at=(2,), order=(0, 1)),
    training=Pace(rounds=8, local_steps=2),
    seeds=(0,),
)
EQUAL = ["step", "node", "rows", "accuracy", "earlier", "alarm", "true_0", "right_1", "gradients"]


def test_a_job_names_its_program_and_tells_places_of_topics() -> None:
    job_of_nodes("stream", CONFIG.to_json(), ("a", "b"), "run", "run", 60)
    assert PROGRAMS["stream"] == "flame.streams.nodes.program"
    assert place_of("3:41.2", rounds=20) == (2, 3, 41)
    assert place_of("4:39.0", 20) < place_of("3:40.mix:back", 20)  # step by step, then job by job


class Played:
    """A program of two jobs and three steps of four rounds."""

    rounds, total, jobs, serves = 4, 3, ("a", "b"), True

    def __init__(self, *positions: int) -> None:
        self.held = [0, *positions]

    def positions(self) -> list[int]:
        return self.held


def running(*positions: int) -> RunningProgram:
    return RunningProgram(Played(*positions), {}, (1.0, 1.0), Mailbox(), Path(), provisioned=False)


def test_a_mailbox_takes_what_can_be_of_use_alone() -> None:
    found = running()
    for topic in ("1:11.0", "0:4.12", "0:4.present:back", "0:8.merge", "0:8.round:back"):
        assert found.expects(topic), topic
    strange = ("00:4.0", "+0:4.0", "0:0_1.0", "0:4", "0:4.zzz", "0:4.00", "0:4.100", "0:4.0\n")
    for topic in ("2:0.0", "-1:0.0", "0:12.0", "0:-1.0", "x", "0:1." + "0" * 60, *strange):
        assert not found.expects(topic), topic
    assert not delivered(None, Mailbox(), "0:0.0", {})
    assert FlareNode("stream", "{}").owes("0:0.0")  # it may still begin


def server(least: int) -> FlareNodes:
    sites = replace(CONFIG.sites, min_sites=least)
    found = FlareNodes("stream", replace(CONFIG, sites=sites).to_json(), "run", ["a", "b", "c"])
    found._running = running()
    return found


def test_a_run_goes_on_from_the_latest_step_that_enough_sites_hold() -> None:
    states = {"a": {"positions": [0, 3, 4]}, "b": {"positions": [0, 4, 5]}, "c": {"positions": [0]}}
    assert server(2)._begin(states, Played(3, 4, 5)) == 4
    assert server(2)._begin(states, Played(3)) == 0  # the server itself lost step 4
    assert server(0)._begin(states, Played(3, 4, 5)) == 0  # of all three


def test_an_error_of_a_site_ends_a_run_where_too_few_are_left() -> None:
    well = {"finished": True}
    states = {"a": well, "b": {"finished": False, "error": "says no", "refused": True}, "c": well}
    server(2)._check(states)
    with pytest.raises(BadInput, match="site b says no"):
        server(3)._check(states)
    with pytest.raises(FlameError, match="site c was lost"):
        server(2)._check({"a": well, "b": {"finished": False}})


def same(config: StreamConfig, folder: Path) -> None:
    here = stream.run(config, folder / "here").rows
    there = stream.run(replace(config, sites=FLARE), folder / "there").rows
    for column in EQUAL:
        assert there[column].equals(here[column]), column
    drifts = [(folder / where / DRIFT).read_text() for where in ("here", "there")]
    assert drifts[0] == drifts[1]
    told = "distances between models are unknown"
    assert told in (folder / "there" / stream.PAGE).read_text()
    assert told not in (folder / "here" / stream.PAGE).read_text()


@pytest.mark.flare
def test_nodes_of_a_stream_are_processes_and_learn_what_one_process_does(tmp_path: Path) -> None:
    same(replace(CONFIG, compare=("fedavg", "ifca", "feddrift", "evidence-gossip")), tmp_path)
    for node in ("node-1", "node-2", "node-3"):
        folder = tmp_path / "there" / "peers" / node
        assert np.load(folder / "models" / "fedavg.seed-0.npy").ndim == 1  # no other node's
        assert Checkpoints(folder / "checkpoints").positions() == [0, 4]  # nothing with rows


def on_a_map(folder: Path) -> StreamConfig:
    """Six stations of which each file has the rows of one; the middle of a map between them."""
    from tests.helpers.posted_nodes import station_files

    files, places = station_files(folder, 6)
    table = TableConfig(
        files=files,
        outcome="wet",
        features=("a", "b"),
        time_columns=("day",),
        positive=("1",),
        step=10.0,
        places=places,
    )
    gossip = GossipConfig(topology="places", degree=2)
    return StreamConfig(table=table, gossip=gossip, training=CONFIG.training, seeds=(0,))


@pytest.mark.slow
@pytest.mark.flare
@pytest.mark.parametrize("graph", ["ring", "exponential", "map"])
def test_six_nodes_on_a_graph(graph: str, tmp_path: Path) -> None:
    config = replace(
        CONFIG,
        schedule=replace(CONFIG.schedule, nodes=6),
        gossip=GossipConfig(topology=graph if graph != "map" else "ring"),
    )
    if graph == "map":
        config = on_a_map(tmp_path)
    same(replace(config, compare=("gossip", "evidence-gossip")), tmp_path)


@pytest.mark.slow
@pytest.mark.flare
def test_hospitals_as_processes_see_a_new_scanner_at_once_and_others_are_unharmed(
    tmp_path: Path,
) -> None:
    """Of 44 steps of a hospital, 42 are calm: at most 5 in 100 alarms are two of each kind."""
    mri = MRIConfig(hospitals=4, patients=60, steps=12, at=6, normalised=False)
    config = StreamConfig(mri=mri, compare=("evidence-gossip",), seeds=(0,), sites=FLARE)
    found = stream.run(config, tmp_path / "run")
    drift = pd.read_csv(tmp_path / "run" / DRIFT)
    changed = (drift.node == "hospital-2") & drift.step.isin([6, 7])
    assert drift[changed].step.min() == 6
    assert drift[changed].iloc[0].since == 6
    assert "scanner" in drift[changed].iloc[0].devices
    assert (~changed).sum() <= 2
    rows = found.rows[found.rows.method == "evidence-gossip"]
    calm = (rows.node != "hospital-2") | ~rows.step.isin([6, 7])
    assert rows[calm].alarm.sum() <= 2
    never = replace(config, mri=replace(mri, at=11), sites=SitesConfig())
    without = stream.run(never, tmp_path / "without").rows
    assert _elsewhere(found.rows) >= _elsewhere(without) - 0.02


def _elsewhere(rows: pd.DataFrame) -> float:
    """Mean accuracy of the hospitals that never change, on rows that are the same in both runs."""
    other = (rows.node != "hospital-2") & rows.step.between(6, 10)
    return float(rows[other & (rows.method == "evidence-gossip")].accuracy.mean())
