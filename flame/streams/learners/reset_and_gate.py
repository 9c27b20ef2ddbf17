"""Reset and gate: nodes that reset after a drop in accuracy and average similar neighbours only."""

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
    """Nodes choose neighbours by the accuracy of their models on their own newest rows.

    Reset: a node resets where its accuracy on a new batch is below that on its batch before by more
    than ``drop``. It evaluates the models of its neighbours and its own models of earlier steps on
    the new batch. It continues from the most accurate of them, unless the accuracy of that one is
    also below the threshold. Then it starts from the initial weights, and exchanges nothing for the
    first half of the rounds.

    Gate: in each round node i averages the models j with accuracy_ij >= accuracy_ii - ``gate`` on
    the newest rows of i. In the first half of the rounds every node's own model has weight 1 before
    weights are scaled to sum to 1.

    Args:
        drop: fall of accuracy that resets a node, between 0 and 1.
        gate: how much less accurate a neighbour's model may be, from 0 to below 1.

    Example:
        The labels of the second node are swapped in the third batch, and it resets.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> same = padded([(x, y, y), (x, y, y)], shape=(1,))
        >>> drifted = padded([(x, y, y), (x, 1 - y, 1 - y)], shape=(1,))
        >>> from flame.streams.exchange import Gossip
        >>> learner = ResetAndGate()
        >>> learner.begin(MLP(1, 4), Gossip(peers, "dpsgd", {}, rate=0.02), Pace(), seed=0)
        >>> for batch in (same, same, drifted):
        ...     learner.learn(batch, concept=np.array([0, 0]))
        >>> learner.alarms.tolist()
        [False, True]
        >>> bool((learner.predict(drifted.x).argmax(axis=-1) == drifted.y).all())
        True
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
        self._last_accuracy = np.zeros(exchange.nodes)

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        accuracy = self._accuracy(self.models, batch)
        alone = self._reset(batch, accuracy) if self._earlier else np.zeros(len(self.models), bool)
        self._last_accuracy = np.where(batch.exists.any(axis=1), accuracy, self._last_accuracy)
        adam = Adam(self.models.shape, self.pace.rate)
        rows = (batch.x, batch.y, batch.weight)
        for number, _ in self.rounds([adam]):
            trained = self.network.descend(self.models, *rows, adam, self.pace.local_steps)
            weights = self._gated(trained, batch)
            if number < self.pace.rounds // 2:
                weights[alone] = 0
                weights[:, alone] = 0
                np.fill_diagonal(weights, 1)
            self.models = weights @ trained / weights.sum(axis=1, keepdims=True)
            self.exchange.sends(self.network.size)
        self._earlier.append(self.models)

    def _accuracy(self, models: Array, batch: Batch) -> Array:
        """Return the accuracy (n,) of each node's model on its rows."""
        return self.network.accuracy(models, batch.x, batch.y, batch.weight)

    def _pairwise_accuracy(self, models: Array, batch: Batch) -> Array:
        """Return the accuracy (n, n) of the model of node j on the rows of node i."""
        n = len(models)
        return np.stack(
            [self._accuracy(np.tile(models[j], (n, 1)), batch) for j in range(n)], axis=1
        )

    def _gated(self, models: Array, batch: Batch) -> Array:
        """Return the weights (n, n) with which nodes average the models that pass the gate."""
        accuracy = self._pairwise_accuracy(models, batch)
        passes = accuracy >= np.diag(accuracy)[:, None] - self.gate
        now = self.exchange.now
        weights = np.where(now.arrived & passes, now.weights, 0.0)
        np.fill_diagonal(weights, np.diag(now.weights))
        return weights

    def _reset(self, batch: Batch, accuracy: Array) -> NDArray[np.bool_]:
        """Replace models whose accuracy dropped; return which nodes start from initial weights."""
        dropped = batch.exists.any(axis=1) & (accuracy < self._last_accuracy - self.drop)
        received = self.exchange.now.arrived & (self.exchange.now.weights > 0)
        of_neighbours = np.where(received, self._pairwise_accuracy(self.models, batch), -1.0)
        of_earlier = np.stack([self._accuracy(models, batch) for models in self._earlier], axis=1)
        choices = np.hstack([of_neighbours, of_earlier])
        models = self.models.copy()
        n = len(accuracy)
        from_start = dropped & (choices.max(axis=1) < self._last_accuracy - self.drop)
        for node in np.flatnonzero(dropped):
            best = int(choices[node].argmax())
            source = self.models[best] if best < n else self._earlier[best - n][node]
            models[node] = self.start[node] if from_start[node] else source
        self.models = models
        self.alarms = dropped
        return np.asarray(from_start)
