"""Learners with one model for each node that continue from it: fine-tune and scratch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Correction
from flame.streams.learners.learner import LEARNERS, Learner, apart
from flame.streams.networks.base import Adam, Array, Labels
from flame.streams.stream import Batch

Rows = tuple[Array, Labels, Array]
"""Features (n, m, ...), labels (n, m) and the weight (n, m) of each row."""


@LEARNERS.register("fine-tune")
@dataclass
class FineTune(Learner):
    """Each model continues from its weights, and trains on the newest batch alone.

    In every round w <- mix(w after steps of Adam on the log loss of the batch), where mix is the
    strategy or gossip method. Subclasses change the rows, the gradient or the local training.

    Example:
        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.learners.learner import Pace
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = FineTune()
        >>> learner.begin(MLP(1, 4), alone, Pace(), seed=0)
        >>> learner.learn(batch, concept=np.array([0]))
        >>> learner.predict(batch.x).argmax(axis=-1).tolist()
        [[0, 1]]
    """

    mixes = True
    distributed = True
    at_server = True

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        rows = self.rows(batch)
        adam = Adam(self.models.shape, self.pace.rate)
        for number, participating in self.rounds([adam]):
            self.models = self.exchange.given(self.models)
            trained = self.train(rows, adam)
            if number == 0:
                self.divergence = apart(trained)
            counts = batch.weight.sum(axis=1) * participating
            self.models = self.exchange.mix(self.models, trained, counts)
        self.end(batch)

    def rows(self, batch: Batch) -> Rows:
        """Choose the rows on which a step trains.

        Args:
            batch: the newest batch.

        Returns:
            Features, labels and weights; by default those of the newest batch.
        """
        return batch.x, batch.y, batch.weight

    def train(self, rows: Rows, adam: Adam) -> Array:
        """Train the models of all nodes locally for a round.

        Args:
            rows: features, labels and weights to train on.
            adam: the optimizer, whose moments last for the step.

        Returns:
            Models (n, size) after the training.
        """
        corrections = self.corrections()
        if not (any(c.linear or c.proximal for c in corrections) or self.has_gradient):
            return self.network.descend(self.models, *rows, adam, self.pace.local_steps)
        models = self.models
        slope = self.slope(rows, corrections)
        for _ in range(self.pace.local_steps):
            models = adam.step(models, slope(models))
        return models

    def corrections(self) -> list[Correction]:
        """Return the strategy's change to the gradients of each node in this round."""
        return [self.exchange.correction(k) for k in range(self.exchange.nodes)]

    def slope(self, rows: Rows, corrections: Sequence[Correction]) -> Callable[[Array], Array]:
        """Correct the gradient for the strategy of the server.

        Args:
            rows: features, labels and weights to train on.
            corrections: the correction of each node.

        Returns:
            A function from models (n, size) to gradients (n, size): ``gradient`` + linear +
            proximal * (w - w at the start of the round).
        """
        linear = np.stack(
            [
                c.linear[0] if c.linear else 0 * m
                for c, m in zip(corrections, self.models, strict=True)
            ]
        )
        proximal = np.array([[c.proximal] for c in corrections])
        start = self.models
        return lambda models: self.gradient(models, rows) + linear + proximal * (models - start)

    @property
    def has_gradient(self) -> bool:
        """Whether a subclass has a gradient other than that of the log loss."""
        return type(self).gradient is not FineTune.gradient

    def gradient(self, models: Array, rows: Rows) -> Array:
        """Compute the gradient of a local step.

        Args:
            models: models (n, size).
            rows: features, labels and weights to train on.

        Returns:
            Gradient (n, size); by default that of the weighted mean log loss.
        """
        return self.network.loss_gradient(models, *rows)

    def end(self, batch: Batch) -> None:
        """Store what the next steps need; by default nothing.

        Args:
            batch: the newest batch, after training.
        """


@LEARNERS.register("scratch")
@dataclass
class Scratch(FineTune):
    """A node with rows starts from the initial weights at every step, and trains on its batch.

    Example:
        A step begins by choosing its rows, which resets the model.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.learners.learner import Pace
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = Scratch()
        >>> learner.begin(MLP(1, 4), alone, Pace(rounds=1), seed=0)
        >>> learner.learn(batch, concept=np.array([0]))
        >>> rows = learner.rows(batch)
        >>> bool((learner.models == learner.start).all())
        True
    """

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        has_rows = np.asarray(batch.exists.any(axis=1))
        self.models = np.where(has_rows[:, None], self.start, self.models)
        return super().rows(batch)
