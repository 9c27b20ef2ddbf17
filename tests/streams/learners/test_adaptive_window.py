"""A window that a drift detector cuts: at the node that drifts alone."""

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.exchange import Alone
from flame.streams.learners.adaptive_window import AdaptiveWindow
from flame.streams.learners.learner import Pace
from flame.streams.networks.mlp import MLP
from flame.streams.stream import padded


def test_the_node_that_drifts_forgets_and_the_other_keeps_all() -> None:
    """Rows in a mixed order, so that errors come evenly."""
    x = np.random.default_rng(0).uniform(-1, 1, (60, 1))
    y = (x[:, 0] > 0).astype(int)
    alone = Alone(GossipNetwork(GossipConfig(), ("a", "b")), "", {}, rate=0.02)
    learner = AdaptiveWindow()
    learner.begin(MLP(1, 4), alone, Pace(), seed=0)
    weights = []
    for drifted in (y, y, 1 - y, 1 - y):
        learner.learn(padded([(x, y, y), (x, drifted, drifted)], shape=(1,)), np.zeros(2, int))
        weights.append(sum(weight.sum(axis=1) for _, _, weight in learner.seen).tolist())
    assert weights == [[60, 60], [120, 120], [180, 60], [240, 120]]


def test_a_detector_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="adwinn"):
        AdaptiveWindow(detector="adwinn")
