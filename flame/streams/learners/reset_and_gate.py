"""Reset and gate: a node whose accuracy drops looks around, and hears only whom it agrees with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.networks.base import Adam, Array, Network
from flame.streams.stream import Batch


@LEARNERS.register("reset-and-gate")
@dataclass
class ResetAndGate(Learner):
    """Personalised choice of neighbours by accuracy on own newest rows.

    Where its accuracy on a batch that it has not learned drops by more than ``drop``, a node takes
    the model of the neighbour, or its own of an earlier step, that does best there, if it does as
    well as before; else it starts afresh and stays alone for half the rounds. It averages
    neighbours whose model is at most ``gate`` below its own; for the first half of a step's rounds
    its own weighs 1 before shares are taken.
    """

    alarming = True
    drop: float = 0.10
    gate: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.drop < 1 or not 0 <= self.gate < 1:
            raise BadInput("methods.options.drop: between 0 and 1; gate: from 0 to below 1")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._earlier: list[Array] = []
        self._best = np.zeros(exchange.nodes)

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        own = self._accuracy(self.models, batch)
        alone = self._reset(batch, own) if self._earlier else np.zeros(len(self.models), bool)
        self._best = np.where(batch.there.any(axis=1), own, self._best)
        adam = Adam(self.models.shape, self.pace.rate)
        weights = (batch.x, batch.y, batch.weight)
        for number, _ in self.rounds([adam]):
            trained = self.network.descend(self.models, *weights, adam, self.pace.local_steps)
            heard = self._gated(trained, batch)
            if number < self.pace.rounds // 2:
                heard[alone] = heard[:, alone] = 0
                np.fill_diagonal(heard, 1)
            self.models = heard @ trained / heard.sum(axis=1, keepdims=True)
            self.exchange.sends(self.network.size)
        self._earlier.append(self.models)

    def _accuracy(self, models: Array, batch: Batch) -> Array:
        return self.network.accuracy(models, batch.x, batch.y, batch.weight)

    def _of_each(self, models: Array, batch: Batch) -> Array:
        """Accuracy (n, n) on the rows of node i of the model of node j."""
        n = len(models)
        return np.stack(
            [self._accuracy(np.tile(models[j], (n, 1)), batch) for j in range(n)], axis=1
        )

    def _gated(self, models: Array, batch: Batch) -> Array:
        scores = self._of_each(models, batch)
        near = scores >= np.diag(scores)[:, None] - self.gate
        now = self.exchange.now
        heard = np.where(now.arrived & near, now.weights, 0.0)
        np.fill_diagonal(heard, np.diag(now.weights))
        return heard

    def _reset(self, batch: Batch, own: Array) -> NDArray[np.bool_]:
        """Take better models where accuracy dropped; which nodes start afresh."""
        dropped = batch.there.any(axis=1) & (own < self._best - self.drop)
        heard = self.exchange.now.arrived & (self.exchange.now.weights > 0)
        others = np.where(heard, self._of_each(self.models, batch), -1.0)
        snapshots = np.stack([self._accuracy(models, batch) for models in self._earlier], axis=1)
        choices = np.hstack([others, snapshots])
        models, n = self.models.copy(), len(own)
        afresh = dropped & (choices.max(axis=1) < self._best - self.drop)
        for node in np.flatnonzero(dropped):
            best = int(choices[node].argmax())
            source = self.models[best] if best < n else self._earlier[best - n][node]
            models[node] = self.start[node] if afresh[node] else source
        self.models, self.alarms = models, dropped
        return np.asarray(afresh)
