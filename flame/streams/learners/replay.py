"""Rehearsal of old rows: reservoir replay, A-GEM and DER++."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.fine_tune import FineTune, Rows
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.learners.window import together
from flame.streams.networks.base import Array, Network
from flame.streams.stream import Batch


class Reservoir:
    """A sample of ``size`` rows a node in which each row ever seen is as likely (Vitter 1985)."""

    def __init__(self, nodes: int, size: int, shape: tuple[int, ...], outputs: int, seed: int):
        self.x, self.y = np.zeros((nodes, size, *shape)), np.zeros((nodes, size), np.int64)
        self.weight, self.logits = np.zeros((nodes, size)), np.zeros((nodes, size, outputs))
        self._seen, self._rng = np.zeros(nodes, int), np.random.default_rng([seed, 3])

    @property
    def rows(self) -> Rows:
        """The sample; rows that are not there yet weigh nothing."""
        return self.x, self.y, self.weight

    def add(self, batch: Batch, logits: Array) -> None:
        """Offer the rows of a batch, with the logits that their node gave them."""
        for node, row in np.argwhere(batch.there):
            place = self._seen[node]
            self._seen[node] += 1
            if place >= self.weight.shape[1]:
                place = self._rng.integers(self._seen[node])
                if place >= self.weight.shape[1]:
                    continue
            self.x[node, place], self.y[node, place] = batch.x[node, row], batch.y[node, row]
            self.weight[node, place], self.logits[node, place] = 1.0, logits[node, row]


@LEARNERS.register("replay")
@dataclass
class Replay(FineTune):
    """The newest batch and a reservoir of ``size`` old rows."""

    size: int = 200

    def __post_init__(self) -> None:
        if self.size < 1:
            raise BadInput("methods.options.size: 1 or more")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.seed = seed
        self.old: Reservoir | None = None

    def reservoir(self, batch: Batch) -> Reservoir:
        """The reservoir, made when the shape of rows is known."""
        if self.old is None:
            shape, outputs = batch.x.shape[2:], self.network.classes - 1
            self.old = Reservoir(len(batch.x), self.size, shape, outputs, self.seed)
        return self.old

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        return together([super().rows(batch), self.reservoir(batch).rows])

    def end(self, batch: Batch) -> None:
        """See ``FineTune``."""
        self.reservoir(batch).add(batch, self.network.logits(self.models, batch.x))


@LEARNERS.register("a-gem")
@dataclass
class AGEM(Replay):
    """A-GEM (Chaudhry 2019, arXiv:1812.00420): no step that undoes what the reservoir taught."""

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        self.reservoir(batch)
        return FineTune.rows(self, batch)

    def gradient(self, models: Array, rows: Rows) -> Array:
        """See ``FineTune``."""
        assert self.old is not None
        slope = self.network.loss_gradient(models, *rows)
        kept = self.network.loss_gradient(models, *self.old.rows)
        along = (slope * kept).sum(axis=1, keepdims=True)
        square = np.maximum((kept**2).sum(axis=1, keepdims=True), 1e-12)
        return np.asarray(slope - np.minimum(along, 0) / square * kept)


@LEARNERS.register("der++")
@dataclass
class DERpp(Replay):
    """DER++ (Buzzega 2020, arXiv:2004.07211): old rows keep their labels, and their logits.

    ``alpha`` times the squared error of logits and ``beta`` times the log loss.
    """

    alpha: float = 0.5
    beta: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.alpha, self.beta) < 0:
            raise BadInput("methods.options.alpha and beta: 0 or more")

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        self.reservoir(batch)
        return FineTune.rows(self, batch)

    def gradient(self, models: Array, rows: Rows) -> Array:
        """See ``FineTune``."""
        assert self.old is not None
        slope, net = self.network.loss_gradient(models, *rows), self.network
        x, y, weight = self.old.rows
        logits = net.logits(models, x)
        share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1)
        off = 2 * (logits - self.old.logits) * share[..., None] / logits.shape[-1]
        pull = self.alpha * off + self.beta * net.pull(logits, y, weight)
        return np.asarray(slope + net.gradient(models, x, pull))
