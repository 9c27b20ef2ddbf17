"""Streams whose nodes are processes of NVIDIA FLARE, against one process, to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flame.federation.flare.nodes import PROGRAMS, _place, job_of_nodes
from flame.federation.gossip.network import GossipConfig
from flame.pipelines import stream
from flame.streams.config import SitesConfig, StreamConfig
from flame.streams.learners.learner import Pace
from flame.streams.nodes.checkpoints import Checkpoints
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
    assert _place("3:41.2", rounds=20) == (2, 3, 41)
    assert _place("4:39.0", 20) < _place("3:40.mix:back", 20)  # step by step, then job by job


def same(config: StreamConfig, folder: Path) -> None:
    here = stream.run(config, folder / "here").rows
    there = stream.run(replace(config, sites=FLARE), folder / "there").rows
    for column in EQUAL:
        assert there[column].equals(here[column]), column


@pytest.mark.flare
def test_nodes_of_a_stream_are_processes_and_learn_what_one_process_does(tmp_path: Path) -> None:
    same(replace(CONFIG, compare=("fedavg", "evidence-gossip")), tmp_path)
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
