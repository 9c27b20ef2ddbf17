"""Adaptive-FedAvg (Canonaco 2021, 10.1109/IJCNN52387.2021.9533710)."""

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
    """The learning rate follows how much shared models move: it falls in calm, rises in drift.

    Moving means of the models, of the variance of their change, and of its ratio to the one
    before, with ``mean``, ``variance`` and ``ratio`` kept; the rate is the first one times ratio /
    round, at most the first one. Peer to peer each node follows its own.
    """

    mean: float = 0.5
    variance: float = 0.5
    ratio: float = 0.5

    def __post_init__(self) -> None:
        if not all(0 <= kept < 1 for kept in (self.mean, self.variance, self.ratio)):
            raise BadInput("methods.options.mean, variance and ratio: from 0 to below 1")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._rounds = 0
        self._spread, self._ratio = np.zeros((2, exchange.nodes))
        self._centre = np.zeros(self.start.shape)

    def train(self, rows: Rows, adam: Adam) -> Array:
        """See ``FineTune``."""
        calm = self._follow()
        adam.rate = adam.rate * np.minimum(1, calm / self._rounds)[:, None]
        models, slope = self.models, self.slope(rows, self.corrections())
        for _ in range(self.pace.local_steps):
            models = adam.step(models, slope(models))
        return models

    def _follow(self) -> Array:
        """The ratio (n,), of moving means with their bias taken out as in the paper's algorithm."""
        t = self._rounds = self._rounds + 1
        old = self._centre / (1 - self.mean ** (t - 1)) if t > 1 else self._centre
        self._centre = self.mean * self._centre + (1 - self.mean) * self.models
        spread = ((self.models - old) ** 2).mean(axis=1)
        before = self._spread / (1 - self.variance ** (t - 1)) if t > 1 else 1
        self._spread = self.variance * self._spread + (1 - self.variance) * spread
        now = self._spread / (1 - self.variance**t)
        ratio = now / np.maximum(before, 1e-12) if t > 1 else np.ones(len(now))
        self._ratio = self.ratio * self._ratio + (1 - self.ratio) * ratio
        return np.asarray(self._ratio / (1 - self.ratio**t))
