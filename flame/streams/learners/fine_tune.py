"""One model a node that goes on from where it was, on the newest batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Correction
from flame.streams.learners.learner import LEARNERS, Learner, apart
from flame.streams.networks.base import Adam, Array, Labels
from flame.streams.stream import Batch

Rows = tuple[Array, Labels, Array]
"""Features (n, m, ...), labels (n, m) and what each row counts (n, m)."""


@LEARNERS.register("fine-tune")
@dataclass
class FineTune(Learner):
    """Learns from the newest batch alone."""

    mixes = True

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        rows = self.rows(batch)
        adam = Adam(self.models.shape, self.pace.rate)
        for number, there in self.rounds([adam]):
            self.models = self.exchange.given(self.models)
            trained = self.train(rows, adam)
            if number == 0:
                self.divergence = apart(trained)
            counts = batch.weight.sum(axis=1) * there
            self.models = self.exchange.mix(self.models, trained, counts)
        self.end(batch)

    def rows(self, batch: Batch) -> Rows:
        """What a step learns from."""
        return batch.x, batch.y, batch.weight

    def train(self, rows: Rows, adam: Adam) -> Array:
        """The models after the local steps of a round of this step's."""
        corrections = self.corrections()
        if not (any(c.linear or c.proximal for c in corrections) or self.has_gradient):
            return self.network.descend(self.models, *rows, adam, self.pace.local_steps)
        models, slope = self.models, self.slope(rows, corrections)
        for _ in range(self.pace.local_steps):
            models = adam.step(models, slope(models))
        return models

    def corrections(self) -> list[Correction]:
        """Those of the strategy in this round, a node each."""
        return [self.exchange.correction(k) for k in range(self.exchange.nodes)]

    def slope(self, rows: Rows, corrections: Sequence[Correction]) -> Callable[[Array], Array]:
        """``gradient`` in a round that begins with ``models``, with ``corrections``."""
        linear = np.stack(
            [
                c.linear[0] if c.linear else 0 * m
                for c, m in zip(corrections, self.models, strict=True)
            ]
        )
        proximal, begun = np.array([[c.proximal] for c in corrections]), self.models
        return lambda models: self.gradient(models, rows) + linear + proximal * (models - begun)

    @property
    def has_gradient(self) -> bool:
        """Whether ``gradient`` is another than that of the log loss."""
        return type(self).gradient is not FineTune.gradient

    def gradient(self, models: Array, rows: Rows) -> Array:
        """Gradient (n, size) of a local step."""
        return self.network.loss_gradient(models, *rows)

    def end(self, batch: Batch) -> None:
        """Remember what the next steps need."""


@LEARNERS.register("scratch")
@dataclass
class Scratch(FineTune):
    """From the first weights again at every step."""

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        here = np.asarray(batch.there.any(axis=1))
        self.models = np.where(here[:, None], self.start, self.models)
        return super().rows(batch)
