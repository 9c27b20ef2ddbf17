"""DAC: its probabilities by hand, what a node averages, and whom it comes to prefer."""

from itertools import combinations

import numpy as np
import pytest
from scipy.special import softmax

from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.exchange import EXCHANGES
from flame.streams.learners.dac import DAC
from flame.streams.learners.learner import Pace
from flame.streams.networks.base import Adam, log_loss
from flame.streams.networks.mlp import MLP
from flame.streams.stream import Batch, padded
from flame.streams.transport import Shared

NAMES = ("a", "b", "c", "d")


def opposite(rows: tuple[int, ...] = (60, 60, 60, 60)) -> Batch:
    """The labels of the last two nodes are opposite to those of the first two."""
    rng, parts = np.random.default_rng(0), []
    for count, sign in zip(rows, (1, 1, -1, -1), strict=True):
        x = rng.uniform(-1, 1, (count, 1))
        y = (sign * x[:, 0] > 0).astype(int)
        parts.append((x, y, y))
    return padded(parts, shape=(1,))


def begun(topology: str = "full", **options: float) -> DAC:
    learner = DAC(**options)  # type: ignore[arg-type]
    peers = GossipNetwork(GossipConfig(topology=topology), NAMES)
    exchange = EXCHANGES["gossip"](peers, "dpsgd", {}, 0.05)
    learner.begin(MLP(1, 6), exchange, Pace(rounds=40, local_steps=5), 1)
    return learner


def test_nodes_of_opposite_labels_are_told_apart() -> None:
    batch, learner = opposite(), begun()
    learner.learn(batch, np.zeros(4, int))
    right = learner.predict(batch.x).argmax(axis=-1) == batch.y
    assert right.mean(axis=1).min() > 0.9


def test_the_appeal_of_a_partner_is_that_of_the_paper() -> None:
    batch, learner = opposite((60, 50, 40, 30)), begun(sharpness=30)
    models = np.random.default_rng(1).normal(size=learner.models.shape)
    heard = ~np.eye(4, dtype=bool)
    learner.exchange.number = 0
    assert (learner._appeal(heard, models, batch) == 0).all()  # all are equally probable
    learner.exchange.number = 7
    appeal = learner._appeal(heard, models, batch)
    sharp = 60 / (1 + np.exp(-1.4)) - 29
    for node, other in combinations(range(4), 2):
        rows = batch.exists[node]
        logits = learner.network.logits(models[[other]], batch.x[[node]])
        loss = log_loss(logits, batch.y[[node]])[0][rows].mean()
        assert np.isclose(appeal[node, other], sharp / loss)


def test_partners_are_drawn_by_the_softmax_of_their_appeal() -> None:
    batch, learner = opposite(), begun()
    learner.exchange.number = 3
    models = np.random.default_rng(1).normal(size=learner.models.shape)
    appeal = learner._appeal(~np.eye(4, dtype=bool), models, batch)
    drawn = np.zeros(4)
    sent = Shared(models, np.full(4, 60.0), np.ones(4, bool))
    for _ in range(2000):
        arrived = learner._with_partners(sent, batch).arrived[0]
        assert arrived.sum() == 2  # its own, and that of one partner
        drawn += arrived
    expected = softmax(appeal[0, 1:])
    # Three standard errors of a share in 2000 draws are below 0.034.
    assert np.abs(drawn[1:] / 2000 - expected).max() < 0.034


@pytest.mark.parametrize("topology", ["full", "star", "line"])
def test_a_node_averages_with_its_partner_by_rows(topology: str) -> None:
    """Whatever weights the graph has."""
    batch, learner = opposite((60, 30, 60, 30)), begun(topology)
    learner.pace = Pace(rounds=1, local_steps=5)
    network, start = learner.network, learner.start
    learner.learn(batch, np.zeros(4, int))
    trained = network.descend(start, batch.x, batch.y, batch.weight, Adam(start.shape, 0.02), 5)
    rows = np.array([60.0, 30, 60, 30])
    for node in range(4):
        pairs = [
            (rows[node] * trained[node] + rows[k] * trained[k]) / (rows[node] + rows[k])
            for k in range(4)
            if k != node
        ]
        assert any(np.allclose(learner.models[node], pair) for pair in pairs)
