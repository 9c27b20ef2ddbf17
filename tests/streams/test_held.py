"""The memory of learners by hand: what grows, what is shared, and what is no array."""

import numpy as np

from flame.federation.gossip.network import GossipConfig, GossipNetwork
from flame.streams.exchange import Alone
from flame.streams.held import held_bytes
from flame.streams.learners.learner import Pace, open_learner
from flame.streams.networks.mlp import MLP
from flame.streams.stream import padded


def test_a_learner_that_remembers_batches_grows_by_their_arrays() -> None:
    rng = np.random.default_rng(0)
    sizes = []
    alone = Alone(GossipNetwork(GossipConfig(), ("a", "b")), "", {}, rate=0.02)
    learner = open_learner("window", {"steps": 2})
    learner.begin(MLP(3, 2), alone, Pace(rounds=1, local_steps=1), seed=0)
    for _ in range(4):
        x, y = rng.normal(size=(5, 3)), np.array([0, 1, 0, 1, 0])
        learner.learn(padded([(x, y, y), (x, y, y)], shape=(3,)), np.zeros(2, int))
        sizes.append(held_bytes(learner))
    # three features, a label and a weight of 8 bytes each, for 10 rows
    assert np.diff(sizes).tolist() == [10 * (3 + 1 + 1) * 8, 0, 0]
