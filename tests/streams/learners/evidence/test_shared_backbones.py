"""Models of a backbone share a representation: means by hand, and what it is worth after a swap."""

import numpy as np
import pytest
from numpy.typing import NDArray

from flame.federation.gossip.method import Round
from flame.federation.gossip.network import GossipConfig
from flame.streams.learners.evidence.bank import Bank, Memory
from flame.streams.learners.evidence.shared_backbones import averaged
from flame.streams.learners.learner import Pace
from flame.streams.methods import MethodConfig, begin
from flame.streams.networks.base import Array
from flame.streams.networks.mlp import MLP
from flame.streams.sources.schedules import ScheduleConfig, plan_of
from flame.streams.sources.synthetic import SyntheticConfig, synthetic_stream
from flame.streams.stream import Batch
from flame.streams.transport import Shared

ALL = np.ones((2, 2), bool)
EVEN = Round(np.full((2, 2), 0.5), ALL, ALL[0], np.random.default_rng(0))


def bank_of(*parents: int | None) -> Bank:
    y, bank = np.zeros((2, 1), np.int64), Bank(2)
    batch = Batch(np.zeros((2, 1, 1)), y, y, np.ones((2, 1), bool))
    for node, parent in enumerate(parents):
        kin = None if parent is None else bank.entries[parent]
        bank.entries[bank.place((0, node), np.zeros(2), kin)].held[:] = True
    bank.memories.append(Memory(0, batch, np.zeros(0), np.zeros(2, int)))
    return bank


def means(bank: Bank, trained: list[Array], counts: NDArray[np.int_], body: int) -> list[Array]:
    sent = [
        Shared(models, count, entry.held)
        for models, count, entry in zip(trained, counts.T, bank.entries, strict=True)
    ]
    return averaged([EVEN] * len(sent), np.arange(2), bank.entries, sent, body)


def test_a_family_has_one_body_and_heads_of_its_models() -> None:
    bank = bank_of(None, 0, None)
    trained = [
        np.array([[1.0, 10.0], [2.0, 20.0]]),
        np.array([[5.0, 50.0], [9.0, 90.0]]),
        np.array([[7.0, 70.0], [7.0, 70.0]]),
    ]
    counts = np.array([[1, 0, 1], [1, 2, 1]])
    one, other, alone = means(bank, trained, counts, body=1)
    assert one[:, 1] == pytest.approx([15, 15])
    assert other[:, 1] == pytest.approx([90, 90])  # the first node has no batch of it
    shared = (1 + 2 + 2 * 9) / 4
    assert one[:, 0] == pytest.approx([shared] * 2, rel=1e-5)
    assert other[:, 0] == pytest.approx([shared] * 2, rel=1e-5)
    assert np.allclose(alone, 7 * np.array([1, 10]))
    apart = means(bank, trained, counts, body=0)
    assert apart[0][:, 0] == pytest.approx([1.5, 1.5])


def test_families_are_known_by_node_and_joined_with_their_models() -> None:
    bank = bank_of(None, 0, None)
    assert [entry.backbone.tolist() for entry in bank.entries] == [[0, 0], [0, 0], [2, 2]]
    bank.join(1, np.array([0, 1, 1]), np.ones(3, int))
    assert [entry.backbone.tolist() for entry in bank.entries] == [[0, 0], [0, 0], [2, 0]]


def test_a_family_is_kept_by_a_join_into_a_model_that_a_node_does_not_hold() -> None:
    bank = bank_of(None, None, 1)
    bank.entries[0].held[1] = False
    bank.join(1, np.array([0, 0, 2]), np.ones(3, int))
    assert [entry.backbone.tolist() for entry in bank.entries] == [[0, 0], [1, 0], [1, 0]]
    assert [entry.held.tolist() for entry in bank.entries] == [
        [True, True],
        [True, False],
        [True] * 2,
    ]


def test_what_a_node_does_not_hold_is_no_part_of_its_family() -> None:
    bank = bank_of(None, 0)
    bank.entries[1].held[0] = False
    trained = [np.array([[1.0], [3.0]]), np.array([[9.0], [9.0]])]
    one, _ = means(bank, trained, np.ones((2, 2), int), body=1)
    assert one[:, 0] == pytest.approx([2, (1 + 3 + 9) / 3])


def test_after_labels_were_swapped_a_new_head_is_enough() -> None:
    plan = plan_of(ScheduleConfig(nodes=4, steps=5, at=(3,), order=(0, 1)), None, 0)
    stream = synthetic_stream(SyntheticConfig("digits-swapped", samples=120), plan, 0)
    right = {}
    for heads in (True, False):
        method = MethodConfig("evidence-gossip", options={"heads": heads})
        learner = begin(method, stream, MLP(64, 20, 10), GossipConfig(), Pace(), 0)
        for step in range(4):
            learner.learn(stream.batches[step], stream.concept[step])
        assert stream.changed[3].all()
        told = learner.predict(stream.batches[4].x).argmax(axis=-1)
        right[heads] = (told == stream.batches[4].y).mean()
    assert right[True] > right[False] + 0.05
