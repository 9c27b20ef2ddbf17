"""Evidence gossip: each of its parts by hand, and the whole on opposite concepts."""

import numpy as np
import pytest

from flame.federation.gossip.peers import GossipConfig
from flame.streams.learners.bank import FORGOTTEN, Bank, Memory, roots
from flame.streams.learners.evidence_gossip import EvidenceGossip
from flame.streams.learners.joining import evidence_tables, joined_pairs
from flame.streams.learners.learner import Pace
from flame.streams.learners.new_concept import Fork, chunk_evidence, new_concept
from flame.streams.methods import MethodConfig, begin
from flame.streams.mlp import MLP
from flame.streams.network import Adam
from flame.streams.schedules import ScheduleConfig, plan_of
from flame.streams.stream import Batch, Stream
from flame.streams.synthetic import SyntheticConfig, synthetic_stream

NETWORK = MLP(2, 20)
OPENED = [(0, 0), (0, 3), (1, 2), (2, 0)]


def batch(told: list[list[int]]) -> Batch:
    y = np.array(told, np.int64)
    return Batch(np.zeros((*y.shape, 2)), y, y, np.ones(y.shape, bool))


def sine(schedule: str = "A", seed: int = 0) -> Stream:
    plan = plan_of(ScheduleConfig(schedule), None, 0)
    return synthetic_stream(SyntheticConfig("sine"), plan, seed)


def learned(
    found: Stream, gossip: GossipConfig | None = None, exchange: str = "gossip",
    **options: object,
) -> EvidenceGossip:  # fmt: skip
    method = MethodConfig("evidence-gossip", exchange, dict(options))
    learner = begin(method, found, NETWORK, gossip or GossipConfig(), Pace(), 0)
    for step, each in enumerate(found.batches):
        learner.learn(each, found.concept[step])
    assert isinstance(learner, EvidenceGossip)
    return learner


def test_evidence_of_a_batch_by_hand() -> None:
    told = np.array([[[0.9, 0.1], [0.0, 1.0]]])
    floor = 1 / 4
    expected = np.log(0.5 * 0.9 + floor) + np.log(0.5 * 0.0 + floor)
    assert chunk_evidence(told, batch([[0, 0]]))[0] == pytest.approx(expected)


def test_a_batch_of_the_opposite_concept_is_new_and_one_of_the_same_is_not() -> None:
    found = sine()
    first = found.batches[0]
    start = np.tile(NETWORK.start(np.random.default_rng(0)), (10, 1))
    taught = NETWORK.descend(start, first.x, first.y, first.weight, Adam(start.shape, 0.02), 200)
    turned = Batch(first.x, 1 - first.y, 1 - first.y, first.there)
    for each, is_new in ((found.batches[1], False), (turned, True)):
        same = np.ones(10, bool) if is_new else found.concept[1] == 0
        known = chunk_evidence(NETWORK.probability(taught, each.x), each)
        new = new_concept(NETWORK, each, (Fork(taught), Fork(start)), Pace())
        assert ((new.evidence > known)[same].mean() > 0.9) == is_new
        assert new.told.shape == (10, 100, 2)
        assert np.allclose(new.told.sum(axis=-1), 1)


def test_forks_are_weighed_alike_and_one_of_the_last_layer_keeps_its_representation() -> None:
    first = sine().batches[0]
    start = np.tile(NETWORK.start(np.random.default_rng(0)), (10, 1))
    taught = NETWORK.descend(start, first.x, first.y, first.weight, Adam(start.shape, 0.02), 200)
    turned = Batch(first.x, 1 - first.y, 1 - first.y, first.there)
    body = NETWORK.body
    all_of_it, head = Fork(taught), Fork(taught, body)
    new = new_concept(NETWORK, turned, (all_of_it, head), Pace())
    kept = new.frozen == body
    assert 0 < kept.mean() < 1
    assert np.array_equal(new.models[kept, :body], taught[kept, :body])
    assert (new.models[~kept, :body] != taught[~kept, :body]).any()
    alone = [new_concept(NETWORK, turned, [fork], Pace()).evidence for fork in (all_of_it, head)]
    assert np.allclose(new.evidence, np.logaddexp(*alone) - np.log(2))  # the mean likelihood


def test_a_parent_that_was_chosen_among_others_is_one_of_so_many_hypotheses() -> None:
    first, parent = sine().batches[0], np.arange(10)
    start = np.tile(NETWORK.start(np.random.default_rng(0)), (10, 1))
    alone = new_concept(NETWORK, first, [Fork(start, 0, parent)], Pace())
    among = new_concept(NETWORK, first, [Fork(start, 0, parent, parent + 1)], Pace())
    assert np.allclose(alone.evidence - among.evidence, np.log(parent + 1))
    assert np.array_equal(among.parent, parent)
    assert (new_concept(NETWORK, first, [Fork(start)], Pace()).parent == FORGOTTEN).all()


def test_no_fork_beats_a_coin_on_labels_of_a_coin() -> None:
    rng = np.random.default_rng(5)
    each = batch(rng.integers(0, 2, (10, 100)).tolist())
    each = Batch(rng.normal(size=(10, 100, 2)), each.y, each.y, each.there)
    start = np.tile(NETWORK.start(rng), (10, 1))
    found = new_concept(NETWORK, each, (Fork(start), Fork(start)), Pace())
    assert found.evidence.mean() < 100 * np.log(0.5)


def test_slots_that_are_one_end_up_in_the_first_that_was_opened() -> None:
    assert roots([(3, 2), (1, 3)], OPENED).tolist() == [0, 1, 1, 1]
    assert roots([(1, 0), (2, 3), (3, 1)], OPENED).tolist() == [0, 0, 0, 0]
    assert roots([], OPENED).tolist() == [0, 1, 2, 3]


def test_pairs_are_joined_while_evidence_of_any_is_positive() -> None:
    table = np.full((1, 4, 4), -5.0)
    table[0, 1, 0] = 3.0  # batches of 1 are told better with 0
    table[0, 2, 3] = 1.0
    counts = np.ones(4, int)
    assert joined_pairs(table, counts, OPENED) == [(0, 1), (2, 3)]
    table[0, 0, 2] = 4.0  # the batches of 0 and 1 together: 4 - 5 < 0, so that 0 and 2 go first
    assert joined_pairs(table, counts, OPENED)[0] == (0, 2)
    assert joined_pairs(table, np.array([1, 0, 1, 0]), OPENED) == [(0, 2)]


def test_a_liar_joins_nothing_where_it_is_reckoned_with() -> None:
    honest = np.random.default_rng(0).uniform(-30, -20, (7, 2, 2))
    lie = honest.copy()
    lie[3] = 1e6
    assert joined_pairs(lie, np.ones(2, int), OPENED[:2]) == [(0, 1)]
    assert joined_pairs(lie, np.ones(2, int), OPENED[:2], liars=1) == []
    alike = -honest
    alike[3] = -1e6  # and none is kept apart by one
    assert joined_pairs(alike, np.ones(2, int), OPENED[:2]) == []
    assert joined_pairs(alike, np.ones(2, int), OPENED[:2], liars=1) == [(0, 1)]


def bank_of(*taught: int) -> Bank:
    """Batches of as many steps, of which each taught the slot that is named."""
    found, bank, rng = sine(), Bank(), np.random.default_rng(2)
    for step, slot in enumerate(taught):
        told, nothing = rng.dirichlet([1, 1], (10, 100)), np.zeros((10, 0), bool)
        memory = Memory(step, found.batches[step], told, np.full(10, slot), nothing)
        bank.memories.append(memory)
    return bank


def opened(bank: Bank, *parents: int) -> Bank:
    """The bank with a model more for each parent, the first in step 0, that all nodes hold."""
    rng = np.random.default_rng(3)
    for parent in parents:
        bank.open(len(bank.slots), 0, NETWORK.start(rng), parent)
        bank.slots[-1].held[:] = True
    return bank


def test_evidence_tables_against_a_loop() -> None:
    bank = opened(bank_of(0, 1), FORGOTTEN, FORGOTTEN)
    bank.memories[0].slot[4] = FORGOTTEN
    table, counts = evidence_tables(NETWORK, bank)
    memory, node = bank.memories[1], 6
    model = NETWORK.probability(bank.slots[0].models, memory.batch.x)[node]
    half, floor = (model + memory.told[node]) / 2, 1 / 102
    rows = np.arange(100), memory.batch.y[node]
    expected = np.log((1 - 2 * floor) * half[rows] + floor).sum()
    expected -= np.log((1 - 2 * floor) * memory.told[node][rows] + floor).sum()
    assert table[node, 1, 0] == pytest.approx(expected)
    assert not table[4, 0].any()
    assert counts[4].tolist() == [0, 1]


def test_a_fork_says_nothing_of_batches_that_it_had_learned_in_another_model() -> None:
    bank = opened(bank_of(0, 0, 0, 1), FORGOTTEN, 0, 1)  # 1 forked from 0 in step 1, 2 from 1 in 2
    inherited = [memory.inherited[0].tolist() for memory in bank.memories]
    assert inherited == [[False, True, True], *[[False] * 3] * 3]
    table, _ = evidence_tables(NETWORK, bank)
    bank.memories = bank.memories[1:]
    without, _ = evidence_tables(NETWORK, bank)
    assert np.array_equal(table[:, 0, 1:], without[:, 0, 1:])
    assert without[:, 0, 1:].all()


def test_what_a_fork_had_learned_goes_with_it_where_it_is_joined() -> None:
    bank = opened(bank_of(0, 1, 1, 2), FORGOTTEN, FORGOTTEN, 0)
    assert bank.memories[0].inherited[0].tolist() == [False, False, True]
    bank.join(0, np.array([0, 1, 1]), np.ones(3, int))
    assert bank.memories[0].inherited[0].tolist() == [False, True, True]
    assert bank.memories[0].inherited[1].tolist() == [False, False, True]
    assert bank.memories[3].slot[:2].tolist() == [1, 2]


def test_older_batches_fade_by_step_and_not_by_place_in_their_slot() -> None:
    bank = bank_of(1, 0, 1, 1, 1, 0)
    bank.memories = [bank.memories[step] for step in (1, 4, 5)]  # those between are forgotten
    rows = bank.rows(0, fade=0.5)
    assert np.allclose(rows[:, :100], 0.5**4)
    assert not rows[:, 100:200].any()
    assert np.allclose(rows[:, 200:], 1)
    assert np.allclose(bank.rows(), 1)


@pytest.mark.parametrize(
    "gossip", [GossipConfig(), GossipConfig(topology="exponential", loss=0.3),
               GossipConfig(topology="line", away={"node-4": (60, 130)})],
    ids=["ring", "exponential with losses", "line with a node away"],
)  # fmt: skip
def test_opposite_concepts_get_a_model_each_and_nodes_agree(gossip: GossipConfig) -> None:
    found = sine()
    learner = learned(found.first(10), gossip)
    right = learner.predict(found.batches[10].x).argmax(axis=-1) == found.batches[10].y
    assert right.mean() > 0.97  # concepts did not change from step 9 to 10
    slots = learner._slot
    for concept in (0, 1):
        assert len(np.unique(slots[found.concept[9] == concept])) <= 2
    assert not set(slots[found.concept[9] == 0]) & set(slots[found.concept[9] == 1])


def test_alarms_are_raised_where_the_concept_changed() -> None:
    found = sine()
    learner = learned(found.first(4))
    learner.learn(found.batches[4], found.concept[4])
    assert learner.alarms[found.changed[4]].all()
    assert learner.alarms[~found.changed[4]].mean() < 0.35


def test_bytes_of_a_first_step_by_hand() -> None:
    """Three nodes that hear each other at once: a round each for models and evidence, then 8."""
    plan = plan_of(ScheduleConfig(nodes=3, steps=2), None, 0)
    found = synthetic_stream(SyntheticConfig("sine"), plan, 0)
    method = MethodConfig("evidence-gossip", options={"everything": False})
    learner = begin(method, found, NETWORK, GossipConfig(topology="full"), Pace(rounds=10), 0)
    learner.learn(found.batches[0], found.concept[0])
    assert len(learner.bank.slots) == 1  # three were opened and became one
    model, hearers = NETWORK.size, 2
    rounds = (model + 2) * (1 + 3 + 8)  # of one's own, of all while they are compared, of the one
    new = 2 * (model + 4)  # those of the others, passed on
    evidence, joins = 3 * (3 + 1), 3 * 2 * 2  # of each node: three models on its own one, two pairs
    assert learner.exchange.sent.tolist() == [4 * hearers * (rounds + new + evidence + joins)] * 3


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
        there = holes[step].there.copy()
        there[7] = False
        holes[step] = Batch(holes[step].x, holes[step].y, holes[step].truth, there)
    method = MethodConfig("evidence-gossip")
    learner = begin(method, found, NETWORK, GossipConfig(), Pace(), 0)
    assert isinstance(learner, EvidenceGossip)
    learner.learn(holes[0], found.concept[0])
    assert all(slot.opened[1] != 7 for slot in learner.bank.slots)
    for step in (1, 2, 3):
        before = learner._slot[7]
        learner.learn(holes[step], found.concept[step])
    opened = [slot.opened for slot in learner.bank.slots]
    assert learner._slot[7] >= 0
    assert before >= 0
    assert (3, 7) not in opened
    told = learner.predict(holes[4].x)
    assert np.isfinite(told).all()
    assert (told[7].argmax(axis=-1) == holes[4].y[7]).mean() > 0.9


@pytest.mark.parametrize("births", [True, False])
def test_a_node_that_holds_nothing_has_the_first_weights_until_it_has_rows(births: bool) -> None:
    found = sine().first(4)
    there = found.batches[0].there.copy()
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


def test_evidence_is_sound_with_more_classes_than_rows() -> None:
    y = np.zeros((2, 3), np.int64)
    there = np.array([[True] * 3, [False] * 3])
    few = Batch(np.zeros((2, 3, 2)), y, y, there)
    sure, unsure = (np.full((2, 3, 10), (1 - p) / 9) for p in (0.9, 0.1))
    sure[..., 0], unsure[..., 0] = 0.9, 0.1
    assert chunk_evidence(sure, few)[0] > chunk_evidence(unsure, few)[0]
    assert chunk_evidence(sure, few)[1] == 0
