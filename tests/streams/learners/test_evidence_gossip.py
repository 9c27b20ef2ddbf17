"""Evidence gossip as a whole: on opposite concepts, with losses, holes and bounded memory."""

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.gossip.network import GossipConfig
from flame.streams.learners.evidence.bank import FORGOTTEN
from flame.streams.learners.evidence_gossip import EvidenceGossip
from flame.streams.learners.learner import Pace
from flame.streams.methods import MethodConfig, begin
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.stream import Batch, Stream
from tests.helpers.evidence_bank import NETWORK, sine


def learned(
    found: Stream,
    gossip: GossipConfig | None = None,
    exchange: str = "gossip",
    **options: object,
) -> EvidenceGossip:
    method = MethodConfig("evidence-gossip", exchange, dict(options))
    learner = begin(method, found, NETWORK, gossip or GossipConfig(), Pace(), 0)
    for step, each in enumerate(found.batches):
        learner.learn(each, found.concept[step])
    assert isinstance(learner, EvidenceGossip)
    return learner


@pytest.mark.parametrize(
    "gossip",
    [
        GossipConfig(),
        GossipConfig(topology="exponential", loss=0.3),
        GossipConfig(topology="line", away={"node-4": (60, 130)}),
    ],
    ids=["ring", "exponential with losses", "line with a node away"],
)
def test_opposite_concepts_get_models_of_their_own_and_nodes_agree(gossip: GossipConfig) -> None:
    found = sine()
    learner = learned(found.first(10), gossip)
    right = learner.predict(found.batches[10].x).argmax(axis=-1) == found.batches[10].y
    assert right.mean() > 0.97  # concepts did not change from step 9 to 10
    entries = learner.entry
    assert not set(entries[found.concept[9] == 0]) & set(entries[found.concept[9] == 1])
    assert len(learner.bank.entries) <= 6  # of 10 opened in the first step alone, for 2 concepts


def test_alarms_are_raised_where_the_concept_changed() -> None:
    found = sine().first(10)
    learner = begin(MethodConfig("evidence-gossip"), found, NETWORK, GossipConfig(), Pace(), 0)
    alarms = np.zeros_like(found.changed)
    for step, each in enumerate(found.batches):
        learner.learn(each, found.concept[step])
        alarms[step] = learner.alarms
    assert not alarms[0].any()
    assert alarms[found.changed].mean() > 0.9
    assert alarms[~found.changed].mean() < 0.2


def test_bytes_of_a_first_step_by_hand() -> None:
    """Three nodes that hear each other at once: a round each for models and evidence, then 8."""
    plan = plan_of(ScheduleConfig(nodes=3, steps=2), None, 0)
    found = synthetic_stream(SyntheticConfig("sine"), plan, 1)
    method = MethodConfig("evidence-gossip", options={"global_model": False})
    learner = begin(method, found, NETWORK, GossipConfig(topology="full"), Pace(rounds=10), 0)
    learner.learn(found.batches[0], found.concept[0])
    assert len(learner.bank.entries) == 1  # three were opened and became one
    model, hearers = NETWORK.size, 2
    rounds = (model + 2) * (1 + 3 + 8)  # of one's own, of all while they are compared, of the one
    new, names = model + 3, 10 * 3 / 32  # one's own: nobody has another's to pass on
    evidence, joins = 3 + 1, 2 * 2 + 1  # three models on one's own batch; two pairs, and memories
    sent = 4 * hearers * (rounds + new + names + evidence + joins)
    assert learner.exchange.sent.tolist() == [sent] * 3


def test_too_few_rounds_for_news_to_go_round_are_refused() -> None:
    with pytest.raises(BadInput, match="training.rounds: 4"):
        begin(MethodConfig("evidence-gossip"), sine(), NETWORK, GossipConfig(), Pace(rounds=3), 0)


def test_alone_it_sends_nothing_and_still_tells_concepts_apart() -> None:
    found = sine()
    learner = learned(found.first(10), exchange="alone")
    assert not learner.exchange.sent.any()
    right = learner.predict(found.batches[10].x).argmax(axis=-1) == found.batches[10].y
    assert right.mean() > 0.95


def test_memory_is_bounded_and_every_concept_stays_in_it() -> None:
    learner = learned(sine(), memory=4)
    kept = (learner.bank.taught != FORGOTTEN).sum(axis=1)
    assert kept.max() == 4
    assert learner.bank.taught[:, -1].min() >= 0
    turned = sine().concept
    both = [node for node in range(10) if len(set(turned[:, node])) == 2]
    assert np.mean([len(set(learner.bank.taught[node]) - {FORGOTTEN}) > 1 for node in both]) > 0.8


def test_nodes_without_rows_open_nothing_and_keep_what_they_follow() -> None:
    found = sine()
    holes = list(found.batches[:5])
    for step in (0, 3):
        there = holes[step].exists.copy()
        there[7] = False
        holes[step] = Batch(holes[step].x, holes[step].y, holes[step].truth, there)
    method = MethodConfig("evidence-gossip")
    learner = begin(method, found, NETWORK, GossipConfig(), Pace(), 0)
    assert isinstance(learner, EvidenceGossip)
    learner.learn(holes[0], found.concept[0])
    assert all(entry.opened[1] != 7 for entry in learner.bank.entries)
    for step in (1, 2, 3):
        before = learner.entry[7]
        learner.learn(holes[step], found.concept[step])
    opened = [entry.opened for entry in learner.bank.entries]
    assert learner.entry[7] >= 0
    assert before >= 0
    assert (3, 7) not in opened
    told = learner.predict(holes[4].x)
    assert np.isfinite(told).all()
    assert (told[7].argmax(axis=-1) == holes[4].y[7]).mean() > 0.9


@pytest.mark.parametrize("births", [True, False])
def test_a_node_that_holds_nothing_has_the_first_weights_until_it_has_rows(births: bool) -> None:
    found = sine().first(4)
    there = found.batches[0].exists.copy()
    there[7] = False
    first = found.batches[0]
    holes = [Batch(first.x, first.y, first.truth, there)] * 2 + [found.batches[2]]
    method = MethodConfig("evidence-gossip", "alone", {"births": births})
    learner = begin(method, found, NETWORK, GossipConfig(), Pace(), 0)
    assert isinstance(learner, EvidenceGossip)
    for step in (0, 1):
        learner.learn(holes[step], found.concept[step])
        assert np.array_equal(learner.models[7], learner.start[7])
    learner.learn(holes[2], found.concept[2])
    told = learner.predict(holes[2].x)
    assert np.isfinite(told).all()
    assert (told[7].argmax(axis=-1) == holes[2].y[7]).mean() > 0.9
