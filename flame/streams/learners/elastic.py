"""Learners that penalise forgetting: EWC and learning without forgetting."""

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
    """Elastic weight consolidation, online.

    The loss is the log loss on the newest batch plus strength / 2 * sum(F * (w - w_last)^2), where
    w_last are the weights after the last step. After each step F <- kept * F + the mean squared
    gradient of its rows, the diagonal of the Fisher information. ``fisher`` (n, size) is F, and
    ``anchor`` (n, size) is w_last.

    Args:
        strength: weight of the penalty, 0 or more.
        kept: share of the Fisher information that is kept at each step, 0 to 1.

    Reference:
        Schwarz 2018, arXiv:1805.06370.

    Example:
        The penalty has no slope at the weights after the last step.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = EWC(strength=10.0)
        >>> learner.begin(MLP(1, 4), alone, Pace(), seed=0)
        >>> learner.learn(batch, concept=np.array([0]))
        >>> rows = learner.rows(batch)
        >>> plain = learner.network.loss_gradient(learner.models, *rows)
        >>> np.allclose(learner.gradient(learner.models, rows), plain)
        True
        >>> moved = learner.models + 0.1
        >>> plain = learner.network.loss_gradient(moved, *rows)
        >>> np.allclose(learner.gradient(moved, rows), plain)
        False
    """

    strength: float = 10.0
    kept: float = 0.9

    def __post_init__(self) -> None:
        if self.strength < 0 or not 0 <= self.kept <= 1:
            raise BadInput("methods.options.strength: 0 or more; kept: from 0 to 1")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.fisher = np.zeros(self.start.shape)
        self.anchor = self.start

    def gradient(self, models: Array, rows: Rows) -> Array:
        """See ``FineTune``."""
        penalty = self.strength * self.fisher * (models - self.anchor)
        return self.network.loss_gradient(models, *rows) + penalty

    def end(self, batch: Batch) -> None:
        """See ``FineTune``."""
        nodes, rows = batch.y.shape
        model_of_row = np.repeat(self.models, rows, axis=0)
        x = batch.x.reshape(nodes * rows, 1, *batch.x.shape[2:])
        y = batch.y.reshape(-1, 1)
        square = self.network.loss_gradient(model_of_row, x, y, batch.weight.reshape(-1, 1)) ** 2
        fisher = square.reshape(nodes, rows, -1).sum(axis=1)
        fisher /= np.maximum(batch.weight.sum(axis=1, keepdims=True), 1)
        self.fisher = self.kept * self.fisher + fisher
        self.anchor = self.models


@LEARNERS.register("lwf")
@dataclass
class LwF(FineTune):
    """Learning without forgetting.

    From the second step on, the loss is the log loss on the newest batch plus strength times the
    cross-entropy with the predictions of the last step's model on it. Both predictions are
    softened, which means that their logits are divided by the temperature.

    Args:
        strength: weight of the cross-entropy, 0 or more.
        temperature: divisor of the logits, above 0.

    Reference:
        Li 2016, arXiv:1606.09282.

    Example:
        The cross-entropy has no slope at the last step's model itself.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = LwF(strength=1.0)
        >>> learner.begin(MLP(1, 4), alone, Pace(), seed=0)
        >>> learner.learn(batch, concept=np.array([0]))
        >>> rows = learner.rows(batch)
        >>> plain = learner.network.loss_gradient(learner.models, *rows)
        >>> np.allclose(learner.gradient(learner.models, rows), plain)
        True
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
        self._last_prediction = self._softened(self.network.logits(self.models, batch.x))
        return super().rows(batch)

    def _softened(self, logits: Array) -> Array:
        """Return softened probabilities (n, m, classes - 1) of every class but the first."""
        return np.asarray(softmax(with_first(logits) / self.temperature, axis=-1)[..., 1:])

    def gradient(self, models: Array, rows: Rows) -> Array:
        """See ``FineTune``."""
        x, y, weight = rows
        logits = self.network.logits(models, x)
        pull = self.network.pull(logits, y, weight)
        if self._steps:
            difference = self._softened(logits) - self._last_prediction
            difference = difference * shares(weight)[..., None]
            pull = pull + self.strength / self.temperature * difference
        return self.network.gradient(models, x, pull)

    def end(self, batch: Batch) -> None:
        """See ``FineTune``."""
        self._steps += 1
