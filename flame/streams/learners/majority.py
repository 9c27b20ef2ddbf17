"""The trivial rule: always the class that was most frequent at the node so far."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.streams.exchange import Exchange
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.networks.base import Array, Network
from flame.streams.stream import Batch


@LEARNERS.register("majority")
@dataclass
class Majority(Learner):
    """Predicts the share of each class among all labels of a node so far; it has no model.

    Before the first label all classes have the same share.

    Example:
        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0], [2.0]]), np.array([0, 1, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = Majority()
        >>> learner.begin(MLP(1, 1), alone, Pace(), seed=0)
        >>> learner.learn(batch, concept=np.array([0]))
        >>> learner.predict(x[None]).argmax(axis=-1).tolist()
        [[1, 1, 1]]
    """

    distributed = True

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.counts = np.zeros((exchange.nodes, network.classes))

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        for number, participating in self.rounds([]):
            if number == 0:
                there = batch.exists & participating[:, None]
                for label in range(self.network.classes):
                    self.counts[:, label] += (there & (batch.y == label)).sum(axis=1)

    def predict(self, x: Array) -> Array:
        """See ``Learner``."""
        total = self.counts.sum(axis=1, keepdims=True)
        share = np.where(total, self.counts / np.maximum(total, 1), 1 / self.network.classes)
        return np.broadcast_to(share[:, None], (*x.shape[:2], self.network.classes))
