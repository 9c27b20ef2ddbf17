"""Holding on to what mattered: EWC and learning without forgetting."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.fine_tune import FineTune, Rows
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.networks.base import Array, Network, shares, with_first
from flame.streams.stream import Batch


@LEARNERS.register("ewc")
@dataclass
class EWC(FineTune):
    """Elastic weight consolidation, online (Schwarz 2018, arXiv:1805.06370).

    ``strength`` times half the squared distance to the last step's weights, each by its Fisher
    information, of which ``kept`` stays from step to step.
    """

    strength: float = 10.0
    kept: float = 0.9

    def __post_init__(self) -> None:
        if self.strength < 0 or not 0 <= self.kept <= 1:
            raise BadInput("methods.options.strength: 0 or more; kept: from 0 to 1")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._fisher, self._anchor = np.zeros(self.start.shape), self.start

    def gradient(self, models: Array, rows: Rows) -> Array:
        """See ``FineTune``."""
        held = self.strength * self._fisher * (models - self._anchor)
        return self.network.loss_gradient(models, *rows) + held

    def end(self, batch: Batch) -> None:
        """See ``FineTune``."""
        nodes, rows = batch.y.shape
        each = np.repeat(self.models, rows, axis=0)
        x, y = batch.x.reshape(nodes * rows, 1, *batch.x.shape[2:]), batch.y.reshape(-1, 1)
        square = self.network.loss_gradient(each, x, y, batch.weight.reshape(-1, 1)) ** 2
        fisher = square.reshape(nodes, rows, -1).sum(axis=1)
        fisher /= np.maximum(batch.weight.sum(axis=1, keepdims=True), 1)
        self._fisher, self._anchor = self.kept * self._fisher + fisher, self.models


@LEARNERS.register("lwf")
@dataclass
class LwF(FineTune):
    """Learning without forgetting (Li 2016, arXiv:1606.09282).

    ``strength`` times the cross-entropy with what the last step's model says of the newest batch,
    both softened by ``temperature``.
    """

    strength: float = 1.0
    temperature: float = 2.0

    def __post_init__(self) -> None:
        if self.strength < 0 or self.temperature <= 0:
            raise BadInput("methods.options.strength: 0 or more; temperature: above 0")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._steps = 0

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        self._old = self._soft(self.network.logits(self.models, batch.x))
        return super().rows(batch)

    def _soft(self, logits: Array) -> Array:
        return np.asarray(softmax(with_first(logits) / self.temperature, axis=-1)[..., 1:])

    def gradient(self, models: Array, rows: Rows) -> Array:
        """See ``FineTune``."""
        x, y, weight = rows
        logits = self.network.logits(models, x)
        pull = self.network.pull(logits, y, weight)
        if self._steps:
            off = (self._soft(logits) - self._old) * shares(weight)[..., None]
            pull = pull + self.strength / self.temperature * off
        return self.network.gradient(models, x, pull)

    def end(self, batch: Batch) -> None:
        """See ``FineTune``."""
        self._steps += 1
