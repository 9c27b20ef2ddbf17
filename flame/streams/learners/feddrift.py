"""FedDrift and FedDrift-Eager (Jothimurugesan 2023, arXiv:2206.00799)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange, Server
from flame.streams.learners.fine_tune import Rows
from flame.streams.learners.learner import LEARNERS, Learner, Pace
from flame.streams.learners.window import together
from flame.streams.networks.base import Adam, Array, Labels, Network
from flame.streams.stream import Batch

Labelled = tuple[Array, Labels, Array, NDArray[np.int_]]
"""Features, labels, what each row counts, and the model it teaches."""


@LEARNERS.register("feddrift")
@dataclass
class FedDrift(Learner):
    """A bank of models at a server; a node whose best accuracy fell by ``drop`` opens another.

    Accuracies are those of the best model on a batch that it has not learned. A new model begins
    from the first weights (as the best was, as in the authors' code, it hardly learns the opposite
    of it) and is learned by its node alone for a step. Models are then merged by complete linkage
    of the accuracy that each loses on the other's rows, below ``drop``, which has to fit the data
    (0.04 for SEA, 0.20 for SINE, 0.10 for CIRCLE in the paper). All nodes begin with one model, or
    ``apart`` with one each: the authors' code has both. Without ``linkage`` it is FedDrift-Eager:
    one new model for all nodes that fell in a step, and nothing is merged.
    """

    alarming = True
    drop: float = 0.10
    linkage: bool = True
    apart: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.drop < 1:
            raise BadInput("methods.options.drop: between 0 and 1")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        if not isinstance(exchange, Server):
            raise BadInput("feddrift keeps its models at a server: set exchange = 'server'")
        self.bank: list[Array] = [self.start[0]] * (exchange.nodes if self.apart else 1)
        self._seen: list[Rows] = []
        self._labels: list[NDArray[np.int_]] = []
        self._best = np.zeros(exchange.nodes)

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        if self._seen and self.linkage:
            self._merge()
        last = self._labels[-1] if self._labels else np.arange(len(batch.x)) % len(self.bank)
        chosen = self._choose(batch, last)
        self.alarms = chosen != last
        self._seen.append((batch.x, batch.y, batch.weight))
        self._labels.append(chosen)
        adams = [Adam(self.start.shape, self.pace.rate) for _ in self.bank]
        rows = self._all()
        for _, there in self.rounds(adams):
            for model in range(len(self.bank)):
                self._round(model, rows, adams[model], there)
        theirs = np.stack([self.bank[model] for model in chosen])
        self.models = np.where(there[:, None], theirs, self.models)

    def _round(self, model: int, rows: Labelled, adam: Adam, there: NDArray[np.bool_]) -> None:
        x, y, weight, labels = rows
        weight = weight * (labels == model) * there[:, None]
        counts = weight.sum(axis=1)
        if not counts.any():
            return
        begun = np.tile(self.bank[model], (len(x), 1))
        trained = self.network.descend(begun, x, y, weight, adam, self.pace.local_steps)
        self.bank[model] = counts @ trained / counts.sum()
        self.exchange.sends(self.network.size * (counts > 0))

    def _all(self) -> Labelled:
        x, y, weight = together(self._seen)
        labels = [
            np.tile(k[:, None], (1, rows[1].shape[1]))
            for k, rows in zip(self._labels, self._seen, strict=True)
        ]
        return x, y, weight, np.concatenate(labels, axis=1)

    def _choose(self, batch: Batch, last: NDArray[np.int_]) -> NDArray[np.int_]:
        """The model of each node for its newest rows; those that none fits get one anew."""
        n = len(batch.x)
        scores = np.stack(
            [
                self.network.accuracy(np.tile(m, (n, 1)), batch.x, batch.y, batch.weight)
                for m in self.bank
            ],
            axis=1,
        )
        there = batch.there.any(axis=1)
        scored = scores.max(axis=1)
        chosen = np.where(there, scores.argmax(axis=1), last) if self._labels else last
        fell = np.flatnonzero(there & (scored < self._best - self.drop))
        self._best = np.where(there, scored, self._best)
        for place, node in enumerate(fell):
            if self.linkage or place == 0:
                self.bank.append(self.start[0])
            chosen[node] = len(self.bank) - 1
        return np.asarray(chosen)

    def _merge(self) -> None:
        """Merge the models whose rows the others do nearly as well on."""
        x, y, weight, labels = self._all()
        used = [m for m in range(len(self.bank)) if ((labels == m) * weight).any()]
        counts = [weight * (labels == model) for model in used]
        told = [self.network.probability(np.tile(self.bank[m], (len(x), 1)), x) for m in used]
        right = [probability.argmax(axis=-1) == y for probability in told]
        scores = np.array([[(r * c).sum() / c.sum() for r in right] for c in counts])  # rows, model
        away = np.maximum(np.diag(scores) - scores, 0)
        away = np.maximum(away, away.T)
        group = np.arange(1, len(used) + 1)
        if len(used) > 1:
            np.fill_diagonal(away, 0)
            group = fcluster(linkage(squareform(away), "complete"), self.drop, "distance")
        sizes = np.array([c.sum() for c in counts])
        bank, of = list[Array](), dict[int, int]()
        for name in np.unique(group):
            members = np.flatnonzero(group == name)
            of.update({used[m]: len(bank) for m in members})
            merged = sum(sizes[m] * self.bank[used[m]] for m in members)
            bank.append(merged / sizes[members].sum())
        self.bank = bank
        self._labels = [np.array([of.get(int(k), 0) for k in found]) for found in self._labels]
