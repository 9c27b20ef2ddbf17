"""Adaptive-FedAvg: a learning rate that depends on how much the shared models move."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.fine_tune import FineTune, Rows
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.networks.base import Adam, Array, Network


@LEARNERS.register("adaptive-fedavg")
@dataclass
class AdaptiveFedAvg(FineTune):
    """The learning rate falls while the shared models hardly move, and rises when they drift.

    Exponential moving means are computed of the models, of their variance around that mean, and of
    the ratio of this variance to the one before. In round t since the beginning the rate is
    r * min(1, ratio / t), with the learning rate r of the run. Peer to peer each node has the means
    of its own model.

    Args:
        mean: share of the mean of the models that is kept in a round, from 0 to below 1.
        variance: share of the variance that is kept in a round.
        ratio: share of the ratio that is kept in a round.

    Reference:
        Canonaco 2021, 10.1109/IJCNN52387.2021.9533710.

    Example:
        The ratio is 1 at first. A model that stands still has the ratio 5/9 in the second round.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = AdaptiveFedAvg()
        >>> learner.begin(MLP(1, 4), alone, Pace(), seed=0)
        >>> for number in (1, 2):
        ...     adam = Adam(learner.models.shape, rate=0.02)
        ...     trained = learner.train(learner.rows(batch), adam)
        ...     print(adam.rate.round(4).tolist())
        [[0.02]]
        [[0.0056]]
    """

    mean: float = 0.5
    variance: float = 0.5
    ratio: float = 0.5

    def __post_init__(self) -> None:
        if not all(0 <= share < 1 for share in (self.mean, self.variance, self.ratio)):
            raise BadInput("methods.options.mean, variance and ratio: from 0 to below 1")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._rounds = 0
        self._mean_models = np.zeros(self.start.shape)
        self._mean_variance = np.zeros(exchange.nodes)
        self._mean_ratio = np.zeros(exchange.nodes)

    def train(self, rows: Rows, adam: Adam) -> Array:
        """See ``FineTune``."""
        ratio = self.update_ratio()
        adam.rate = adam.rate * np.minimum(1, ratio / self._rounds)[:, None]
        models = self.models
        slope = self.slope(rows, self.corrections())
        for _ in range(self.pace.local_steps):
            models = adam.step(models, slope(models))
        return models

    def update_ratio(self) -> Array:
        """Update the moving means with the present models.

        Returns:
            Moving mean (n,) of the variance ratio of each node, corrected for its start at 0.
        """
        self._rounds += 1
        t = self._rounds
        old = self._mean_models / (1 - self.mean ** (t - 1)) if t > 1 else self._mean_models
        self._mean_models = self.mean * self._mean_models + (1 - self.mean) * self.models
        variance = ((self.models - old) ** 2).mean(axis=1)
        before = self._mean_variance / (1 - self.variance ** (t - 1)) if t > 1 else 1
        self._mean_variance = self.variance * self._mean_variance + (1 - self.variance) * variance
        now = self._mean_variance / (1 - self.variance**t)
        ratio = now / np.maximum(before, 1e-12) if t > 1 else np.ones(len(now))
        self._mean_ratio = self.ratio * self._mean_ratio + (1 - self.ratio) * ratio
        return np.asarray(self._mean_ratio / (1 - self.ratio**t))
