"""The limit: one model a concept, and every node knows which concept it has."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.streams.exchange import Exchange
from flame.streams.learners.fine_tune import Rows
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.learners.window import together
from flame.streams.networks.base import Adam, Array, Network
from flame.streams.stream import Batch


@LEARNERS.register("oracle")
@dataclass
class Oracle(Learner):
    """Each concept is learned from all of its batches and averaged with itself alone.

    It begins from the first weights. A node counts by its rows of the concept; one without any
    passes the model on.
    """

    is_told = True

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._bank: dict[int, Array] = {}
        self._seen: list[Rows] = []
        self._concepts: list[NDArray[np.int_]] = []

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        self._seen.append((batch.x, batch.y, batch.weight))
        self._concepts.append(np.tile(concept[:, None], (1, batch.y.shape[1])))
        x, y, weight = together(self._seen)
        concepts = np.concatenate(self._concepts, axis=1)
        known = [int(c) for c in np.unique(concepts)]
        adams = {c: Adam(self.start.shape, self.pace.rate) for c in known}
        for _, there in self.rounds(adams.values()):
            for c in known:
                models = self.exchange.given(self._bank.get(c, self.start))
                counts = weight * (concepts == c) * there[:, None]
                trained = self.network.descend(
                    models, x, y, counts, adams[c], self.pace.local_steps
                )
                self._bank[c] = self.exchange.average(trained, counts.sum(axis=1))
                self.exchange.sends(self.network.size)
        self.models = np.stack([self._bank[int(c)][node] for node, c in enumerate(concept)])
