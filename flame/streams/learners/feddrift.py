"""FedDrift and FedDrift-Eager: a bank of models at a server that grows with drift."""

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
"""Features (n, m, ...), labels (n, m), weights (n, m), and the number (n, m) of the model that each
row trains."""


@LEARNERS.register("feddrift")
@dataclass
class FedDrift(Learner):
    """A node opens a new model where its best accuracy falls, and similar models are merged.

    A node chooses the model that is most accurate on its newest batch. Where that accuracy is below
    the one of its batch before by more than ``drop``, it opens a new model from the initial
    weights, which it trains alone for one step. The initial weights differ from the authors' code,
    in which a new model starts from the best one and hardly learns its opposite.

    Models are then merged by complete linkage, cut at ``drop``. The distance of models i and j is
    the larger of two losses of accuracy: of j against i on the rows of i, and of i against j on
    those of j. FedDrift-Eager (``linkage`` off) opens one model for all nodes whose accuracy fell
    in a step, and merges nothing.

    ``bank`` holds the models (size,). ``batches`` holds the rows of each step so far, and
    ``labels`` the number (n,) of the model that each node's batch of the step trains.

    Args:
        drop: fall of accuracy that opens a model, and distance below which models are merged; it
            has to fit the data. The paper has 0.04 for SEA, 0.20 for SINE and 0.10 for CIRCLE.
        linkage: whether models are merged; False is FedDrift-Eager.
        apart: whether each node begins with its own model. The authors' code has both.

    Reference:
        Jothimurugesan 2023, arXiv:2206.00799.

    Example:
        The labels of the second node are swapped in the third batch, and it opens a model.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> same = padded([(x, y, y), (x, y, y)], shape=(1,))
        >>> drifted = padded([(x, y, y), (x, 1 - y, 1 - y)], shape=(1,))
        >>> learner = FedDrift(drop=0.2)
        >>> learner.begin(MLP(1, 4), Server(peers, "fedavg", {}, rate=0.02), Pace(), seed=0)
        >>> for batch in (same, same, drifted):
        ...     learner.learn(batch, concept=np.array([0, 0]))
        >>> learner.alarms.tolist(), len(learner.bank)
        ([False, True], 2)
    """

    alarming = True
    drop: float = 0.10
    linkage: bool = True
    apart: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.drop < 1:
            raise BadInput("methods.options.drop: between 0 and 1")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``; raise BadInput where the exchange is not a server."""
        super().begin(network, exchange, pace, seed)
        if not isinstance(exchange, Server):
            raise BadInput("feddrift keeps its models at a server: set exchange = 'server'")
        self.bank: list[Array] = [self.start[0]] * (exchange.nodes if self.apart else 1)
        self.batches: list[Rows] = []
        self.labels: list[NDArray[np.int_]] = []
        self._last_accuracy = np.zeros(exchange.nodes)

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        if self.batches and self.linkage:
            self.merge()
        last = self.labels[-1] if self.labels else np.arange(len(batch.x)) % len(self.bank)
        chosen = self._choose(batch, last)
        self.alarms = chosen != last
        self.batches.append((batch.x, batch.y, batch.weight))
        self.labels.append(chosen)
        adams = [Adam(self.start.shape, self.pace.rate) for _ in self.bank]
        rows = self._labelled_rows()
        for _, participating in self.rounds(adams):
            for model in range(len(self.bank)):
                self._round(model, rows, adams[model], participating)
        chosen_models = np.stack([self.bank[model] for model in chosen])
        self.models = np.where(participating[:, None], chosen_models, self.models)

    def _round(
        self, model: int, rows: Labelled, adam: Adam, participating: NDArray[np.bool_]
    ) -> None:
        """Train a model for a round on the rows that have its label, and average it."""
        x, y, weight, labels = rows
        weight = weight * (labels == model) * participating[:, None]
        counts = weight.sum(axis=1)
        if not counts.any():
            return
        start = np.tile(self.bank[model], (len(x), 1))
        trained = self.network.descend(start, x, y, weight, adam, self.pace.local_steps)
        self.bank[model] = counts @ trained / counts.sum()
        self.exchange.sends(self.network.size * (counts > 0))

    def _labelled_rows(self) -> Labelled:
        """Return the rows of all batches so far, with the model that each row trains."""
        x, y, weight = together(self.batches)
        labels = [
            np.tile(k[:, None], (1, rows[1].shape[1]))
            for k, rows in zip(self.labels, self.batches, strict=True)
        ]
        return x, y, weight, np.concatenate(labels, axis=1)

    def _choose(self, batch: Batch, last: NDArray[np.int_]) -> NDArray[np.int_]:
        """Return the number (n,) of the model of each node for its newest rows; open new ones."""
        n = len(batch.x)
        scores = np.stack(
            [
                self.network.accuracy(np.tile(m, (n, 1)), batch.x, batch.y, batch.weight)
                for m in self.bank
            ],
            axis=1,
        )
        has_rows = batch.exists.any(axis=1)
        accuracy = scores.max(axis=1)
        chosen = np.where(has_rows, scores.argmax(axis=1), last) if self.labels else last
        dropped = np.flatnonzero(has_rows & (accuracy < self._last_accuracy - self.drop))
        self._last_accuracy = np.where(has_rows, accuracy, self._last_accuracy)
        for place, node in enumerate(dropped):
            if self.linkage or place == 0:
                self.bank.append(self.start[0])
            chosen[node] = len(self.bank) - 1
        return np.asarray(chosen)

    def merge(self) -> None:
        """Merge models that are nearly as accurate as each other on their rows."""
        x, y, weight, labels = self._labelled_rows()
        used = [m for m in range(len(self.bank)) if ((labels == m) * weight).any()]
        weights = [weight * (labels == model) for model in used]
        predicted = [self.network.probability(np.tile(self.bank[m], (len(x), 1)), x) for m in used]
        correct = [probability.argmax(axis=-1) == y for probability in predicted]
        # axes: model whose rows are predicted, model that predicts
        scores = np.array([[(c * w).sum() / w.sum() for c in correct] for w in weights])
        distance = np.maximum(np.diag(scores) - scores, 0)
        distance = np.maximum(distance, distance.T)
        cluster = np.arange(1, len(used) + 1)
        if len(used) > 1:
            np.fill_diagonal(distance, 0)
            cluster = fcluster(linkage(squareform(distance), "complete"), self.drop, "distance")
        sizes = np.array([w.sum() for w in weights])
        bank: list[Array] = []
        merged_into: dict[int, int] = {}
        for number in np.unique(cluster):
            members = np.flatnonzero(cluster == number)
            merged_into.update({used[m]: len(bank) for m in members})
            merged = sum(sizes[m] * self.bank[used[m]] for m in members)
            bank.append(merged / sizes[members].sum())
        self.bank = bank
        self.labels = [np.array([merged_into.get(int(k), 0) for k in row]) for row in self.labels]
