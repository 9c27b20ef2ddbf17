"""Clusters of nodes by FACADE and FedRC: their formulas by hand, and what they tell apart."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from flame.federation.gossip.method import Round
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.exchange import EXCHANGES
from flame.streams.learners.learner import Pace, open_learner
from flame.streams.networks.base import Adam, Array
from flame.streams.networks.mlp import MLP
from flame.streams.stream import Batch, padded
from flame.streams.transport import News, OneProcess, Shared

NAMES = ("a", "b", "c", "d")


def batch_of(signs: tuple[int, ...], share: tuple[float, ...] = (0.5,) * 4) -> Batch:
    """Nodes whose label is 1 right of 0, or left of it where the sign is negative.

    The share of rows right of 0 differs between nodes.
    """
    rng, rows = np.random.default_rng(0), []
    for sign, right in zip(signs, share, strict=True):
        x = rng.uniform(0, 1, (60, 1)) * np.where(rng.random((60, 1)) < right, 1, -1)
        y = (sign * x[:, 0] > 0).astype(int)
        rows.append((x, y, y))
    return padded(rows, shape=(1,))


def taught(name: str, exchange: str, batch: Batch, rounds: int = 40, **options: Any) -> Any:
    peers = GossipNetwork(GossipConfig(topology="full"), NAMES)
    learner: Any = open_learner(name, options)
    mixes = "fedavg" if exchange == "server" else "dpsgd"
    opened = EXCHANGES[exchange](peers, mixes, {}, 0.05)
    learner.begin(MLP(1, 6), opened, Pace(rounds=rounds, local_steps=5), 1)
    learner.learn(batch, np.zeros(4, int))
    return learner


@pytest.mark.parametrize("name", ["facade", "fedrc"])
def test_nodes_of_opposite_labels_are_told_apart(name: str) -> None:
    batch = batch_of((1, 1, -1, -1))
    learner = taught(name, "gossip", batch)
    right = learner.predict(batch.x).argmax(axis=-1) == batch.y
    assert right.mean(axis=1).min() > 0.95


def test_heads_of_facade_are_means_of_those_who_trained_them() -> None:
    batch = batch_of((1, 1, -1, -1))
    learner = taught("facade", "gossip", batch, rounds=1, clusters=2)
    net, start = learner.network, taught("fine-tune", "alone", batch, rounds=1).start
    fresh = open_learner("facade", {"clusters": 2})
    peers = GossipNetwork(GossipConfig(topology="full"), NAMES)
    fresh.begin(MLP(1, 6), EXCHANGES["gossip"](peers, "dpsgd", {}, 0.05), Pace(), 1)
    chosen = learner._chosen
    begun = np.hstack([start[:, : net.body], fresh.heads[chosen, np.arange(4)]])  # type: ignore[attr-defined]
    trained = net.descend(begun, batch.x, batch.y, batch.weight, Adam(begun.shape, 0.02), 5)
    assert np.allclose(learner.models[:, : net.body], trained[:, : net.body].mean(axis=0))
    for node in range(4):
        same = chosen == chosen[node]
        mean = trained[same, net.body :].mean(axis=0)
        assert np.allclose(learner.models[node, net.body :], mean)


def test_shares_of_fedrc_are_those_of_the_formula() -> None:
    batch = batch_of((1, 1, -1, -1))
    learner = taught("fedrc", "gossip", batch, rounds=2, clusters=3)
    found = learner.shares(batch)
    for node, row in ((0, 3), (2, 7)):
        y = batch.y[node, row]
        each = []
        for k in range(3):
            logit = learner.network.logits(learner.bank[k], batch.x)[node, row, 0]
            p = expit(logit if y == 1 else -logit)
            each.append(learner.weights[node, k] * p / learner._labels[k][node, y])
        assert np.allclose(found[:, node, row], np.array(each) / sum(each))
    assert np.allclose(found.sum(axis=0), 1)


def test_fedrc_does_not_part_nodes_that_differ_in_how_frequent_labels_are() -> None:
    """The same concept with 10 % and 90 % of label 1, beside the opposite concept."""
    batch = batch_of((1, 1, -1, -1), share=(0.1, 0.9, 0.1, 0.9))
    learner = taught("fedrc", "server", batch, clusters=2)
    best = learner.weights.argmax(axis=1)
    assert best[0] == best[1] != best[2] == best[3]


class Broken(OneProcess):
    """The last node's message is lost, or arrives without a model, or with one of every name."""

    def __init__(self, how: str) -> None:
        super().__init__(len(NAMES))
        self.how = how

    def share(
        self, topic: str, now: Round, parts: Mapping[str, Shared], news: News
    ) -> tuple[Mapping[str, Shared], Round, Array]:
        """See ``Transport``."""
        arrived = now.arrived.copy()
        arrived[:-1, -1] = self.how != "lost"
        sent = {}
        for name, part in parts.items():
            models, held = part.models.copy(), part.held.copy()
            held[-1] = self.how == "several"
            models[-1] *= held[-1]
            sent[name] = Shared(models, part.counts, held)
        return sent, replace(now, arrived=arrived), np.zeros(len(NAMES))


@pytest.mark.parametrize(
    ("name", "how"), [("fine-tune", "empty"), ("facade", "empty"), ("facade", "several")]
)
def test_a_message_without_a_model_or_with_several_counts_as_lost(name: str, how: str) -> None:
    """The other three nodes average what they do where the message is lost."""
    batch = batch_of((1, 1, -1, 1))
    found = []
    for each in (how, "lost"):
        peers = GossipNetwork(GossipConfig(topology="full"), NAMES)
        learner = open_learner(name, {})
        exchange = EXCHANGES["gossip"](peers, "dpsgd", {}, 0.05, Broken(each))
        learner.begin(MLP(1, 6), exchange, Pace(rounds=1), 1)
        learner.learn(batch, np.zeros(4, int))
        found.append(learner.models[:3])
    assert np.array_equal(*found)
