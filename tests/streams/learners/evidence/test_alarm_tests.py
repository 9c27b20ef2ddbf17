"""Alarms of evidence gossip: swapped labels, and a model that is merely better trained."""

import numpy as np
import pytest
from scipy.stats import t as student

from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.exchange import Gossip
from flame.streams.learners.evidence.alarm_tests import _larger
from flame.streams.learners.evidence_gossip import EvidenceGossip
from flame.streams.learners.learner import Pace
from flame.streams.networks.mlp import MLP
from flame.streams.stream import Batch, padded


def test_the_difference_of_means_is_tested_by_welch() -> None:
    """By hand: means 3 and 1, variances 1 and 4 of 3 and 4 values: t = 2 / sqrt(1/3 + 1)."""
    new, old = np.array([2.0, 3.0, 4.0]), np.array([-1.0, 1.0, 1.0, 3.0])
    variance = np.var(old, ddof=1)
    t = 2 / np.sqrt(1 / 3 + variance / 4)
    freedom = (1 / 3 + variance / 4) ** 2 / ((1 / 3) ** 2 / 2 + (variance / 4) ** 2 / 3)
    assert _larger(new, old) == pytest.approx(student.sf(t, freedom))
    assert _larger(new[:1], old) == 1
    assert _larger(np.zeros(3), np.zeros(3)) == 1


def batch(step: int, swapped: bool = False, noise: float = 0.0) -> Batch:
    rng = np.random.default_rng(step)
    rows = []
    for node in range(2):
        x = rng.uniform(-1, 1, (60, 1))
        y = (x[:, 0] > 0).astype(int) ^ (rng.random(60) < noise)
        y = 1 - y if swapped and node == 1 else y
        rows.append((x, y, y))
    return padded(rows, shape=(1,))


def begun() -> EvidenceGossip:
    learner = EvidenceGossip()
    peers = GossipNetwork(GossipConfig(), ("a", "b"))
    learner.begin(MLP(1, 4), Gossip(peers, "dpsgd", {}, rate=0.02), Pace(rounds=8), seed=0)
    return learner


def test_swapped_labels_raise_an_alarm_at_their_node_alone() -> None:
    learner = begun()
    for step in range(3):
        learner.learn(batch(step), np.zeros(2, int))
        assert not learner.told(0.01).any()
    learner.learn(batch(3, swapped=True), np.zeros(2, int))
    assert learner.told(0.01).tolist() == [False, True]
    assert learner.told(1e-9).tolist() == [False, True]


def test_noise_raises_no_more_alarms_than_asked_for() -> None:
    """20 seeds of 6 calm steps of two nodes: 240 tests at a level of 1 in 20 expect 12."""
    alarms = 0
    for seed in range(20):
        learner = begun()
        for step in range(6):
            learner.learn(batch(1000 * seed + step, noise=0.3), np.zeros(2, int))
            alarms += int(learner.told(0.05).sum())
    assert alarms <= 12
