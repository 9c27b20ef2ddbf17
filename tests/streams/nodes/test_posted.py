"""Nodes in threads of their own, by messages alone, against the simulation in one process."""

from dataclasses import replace

import numpy as np
import pytest

from flame.federation.gossip.network import GossipConfig
from flame.federation.mailbox import SERVER
from flame.streams.learners.evidence_gossip import EvidenceGossip
from flame.streams.learners.learner import Pace
from flame.streams.methods import KNOWN, MethodConfig, begin
from flame.streams.networks.mlp import MLP
from flame.streams.prequential import Prequential
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.stream import Batch, Stream, padded
from tests.helpers.posted_nodes import run_apart

NETWORK = MLP(2, 6)
PACE = Pace(rounds=12, local_steps=2)


def sine(nodes: int = 6, steps: int = 6) -> Stream:
    """A stream whose nodes have unlike numbers of rows, and none in one step."""
    plan = plan_of(ScheduleConfig(nodes=nodes, steps=steps, at=(2, 4), order=(0, 1, 0)), None, 0)
    found = synthetic_stream(SyntheticConfig("sine", samples=40), plan, 0)
    return Stream(
        found.nodes,
        found.classes,
        tuple(uneven(batch, step) for step, batch in enumerate(found.batches)),
        found.concept,
        simulated=True,
    )


def uneven(batch: Batch, step: int) -> Batch:
    rows = []
    for node in range(len(batch.y)):
        count = 0 if (step, node) == (3, 1) else 40 - 3 * node
        rows.append((batch.x[node, :count], batch.y[node, :count], batch.truth[node, :count]))
    return padded(rows, batch.x.shape[2:])


def together(
    method: MethodConfig, stream: Stream, gossip: GossipConfig, pace: Pace = PACE
) -> Prequential:
    run = Prequential(begin(method, stream, NETWORK, gossip, pace, 0), stream.nodes)
    for step, batch in enumerate(stream.batches):
        run.see(batch, stream.concept[step], stream.changed[step])
    return run


GRAPHS = {
    "ring": GossipConfig(),
    "exponential": GossipConfig(topology="exponential"),
    "losses": GossipConfig(loss=0.2),
    "away": GossipConfig(away={"node-2": (14, 30)}),
}


WARY_GRAPHS = [
    pytest.param(graph, marks=[pytest.mark.slow] if graph in ("ring", "losses") else [])
    for graph in GRAPHS
]
"""Graphs of what costs three times as much: those of "exponential" and "away" always run."""
MALICIOUS = replace(KNOWN["evidence-gossip"], options={"num_byzantine": 1})


def same_as_in_one_process(method: MethodConfig, gossip: GossipConfig) -> None:
    stream = sine()
    whole = together(method, stream, gossip)
    apart = run_apart(method, stream, NETWORK, gossip, PACE)
    for node, run in enumerate(apart):
        assert np.array_equal(run.learner.models[0], whole.learner.models[node])
        of_node = whole.rows[whole.rows.node == stream.nodes[node]].reset_index(drop=True)
        for column in ("accuracy", "earlier", "alarm"):
            assert run.rows[column].equals(of_node[column]), column


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize(
    "name",
    [
        *("local", "gossip", "gossip-replay", "dac", "evidence-gossip"),
        *("gossip-ifca", "facade"),
    ],
)
def test_models_and_predictions_are_those_of_one_process_to_the_bit(graph: str, name: str) -> None:
    same_as_in_one_process(KNOWN[name], GRAPHS[graph])


@pytest.mark.parametrize("graph", WARY_GRAPHS)
def test_nodes_that_expect_a_malicious_one_do_what_one_process_does(graph: str) -> None:
    same_as_in_one_process(MALICIOUS, GRAPHS[graph])


@pytest.mark.parametrize("graph", GRAPHS)
def test_decisions_of_evidence_gossip_are_those_of_one_process(graph: str) -> None:
    same_decisions_as_in_one_process(KNOWN["evidence-gossip"], graph)


@pytest.mark.parametrize("graph", WARY_GRAPHS)
def test_decisions_where_one_may_be_malicious_are_those_of_one_process(graph: str) -> None:
    same_decisions_as_in_one_process(MALICIOUS, graph)


def same_decisions_as_in_one_process(method: MethodConfig, graph: str) -> None:
    stream = sine()
    whole = together(method, stream, GRAPHS[graph]).learner
    assert isinstance(whole, EvidenceGossip)
    assert len(whole.bank.entries) > 1
    for node, run in enumerate(run_apart(method, stream, NETWORK, GRAPHS[graph], PACE)):
        learner = run.learner
        assert isinstance(learner, EvidenceGossip)
        held = [e.opened for e in learner.bank.entries if e.held[0]]
        assert held == [e.opened for e in whole.bank.entries if e.held[node]]
        belief = dict(zip(learner.bank.opened, learner._posterior[0], strict=True))
        of_node = dict(zip(whole.bank.opened, whole._posterior[node], strict=True))
        assert {k: p for k, p in of_node.items() if k in held} == {k: belief[k] for k in held}
        assert sum(p for k, p in of_node.items() if k not in held) == 0
        followed = learner.bank.opened[learner.entry[0]]
        assert followed == whole.bank.opened[whole.entry[node]]
        names = [learner.bank.opened[m.entry[0]] for m in learner.bank.memories]
        remembered = [m.entry[node] for m in whole.bank.memories]
        assert names == [whole.bank.opened[k] for k in remembered if k >= 0]


@pytest.mark.parametrize(
    "name",
    [
        *("fedavg", "fedprox", "fedadam", "adaptive-fedavg", "flash"),
        *("ifca", "feddrift", "feddrift-apart", "feddrift-eager"),
    ],
)
@pytest.mark.parametrize("graph", ["ring", "away"])
def test_a_server_elsewhere_is_the_server_of_one_process(graph: str, name: str) -> None:
    stream, method = sine(), KNOWN[name]
    whole = together(method, stream, GRAPHS[graph])
    for node, run in enumerate(run_apart(method, stream, NETWORK, GRAPHS[graph], PACE)):
        assert np.array_equal(run.learner.models[0], whole.learner.models[node])


@pytest.mark.parametrize("topic", ["24.merge:back", "25.round", "25.round:back"])
def test_who_misses_a_message_of_feddrift_is_up_to_date_after_the_next(topic: str) -> None:
    """In step 2 half the nodes have another concept, so that models are opened and merged."""
    stream, method = sine(), KNOWN["feddrift"]
    losses = {(SERVER, "node-2"), ("node-2", SERVER)}

    def lost(sender: str, receiver: str, on: str) -> bool:
        return (sender, receiver) in losses and on == f"run:{topic}"

    runs = run_apart(method, stream, NETWORK, GossipConfig(), PACE, lost=lost)
    banks = [run.learner.banks[0] for run in runs]  # type: ignore[attr-defined]
    assert len(banks[0]) > 1
    for bank in banks:
        assert list(bank) == list(banks[0])
        assert all(np.array_equal(bank[number], banks[0][number]) for number in bank)
    whole = together(method, stream, GossipConfig())
    accuracy = [run.rows.accuracy.iloc[-1] for run in runs]
    assert np.mean(accuracy) > whole.rows[whole.rows.step == 5].accuracy.mean() - 0.05
