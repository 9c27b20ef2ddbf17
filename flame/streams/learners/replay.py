"""Learners that rehearse a sample of old rows: reservoir replay, A-GEM and DER++."""

from collections.abc import Sequence
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
    """A uniform sample of the rows of each node so far, drawn by reservoir sampling.

    Args:
        nodes: numbers (n,) of the nodes.
        size: number of rows that are kept for each node.
        shape: shape of the features of one row.
        outputs: number of logits of one row.
        seed: decides which rows are kept.

    Reference:
        Vitter 1985.
    """

    def __init__(
        self, nodes: Sequence[int], size: int, shape: tuple[int, ...], outputs: int, seed: int
    ) -> None:
        self.x = np.zeros((len(nodes), size, *shape))
        self.y = np.zeros((len(nodes), size), np.int64)
        self.weight = np.zeros((len(nodes), size))
        self.logits = np.zeros((len(nodes), size, outputs))
        self._offered = np.zeros(len(nodes), int)
        self._rngs = [np.random.default_rng([seed, 3, k]) for k in nodes]

    @property
    def rows(self) -> Rows:
        """Features, labels and weights of the sample; empty places have weight 0."""
        return self.x, self.y, self.weight

    def add(self, batch: Batch, logits: Array) -> None:
        """Offer the rows of a batch to the sample.

        Args:
            batch: the batch.
            logits: logits (n, m, outputs) of the rows under each node's model.
        """
        for node, row in np.argwhere(batch.exists):
            place = self._offered[node]
            self._offered[node] += 1
            if place >= self.weight.shape[1]:
                place = self._rngs[node].integers(self._offered[node])
                if place >= self.weight.shape[1]:
                    continue
            self.x[node, place] = batch.x[node, row]
            self.y[node, place] = batch.y[node, row]
            self.weight[node, place] = 1.0
            self.logits[node, place] = logits[node, row]


@LEARNERS.register("replay")
@dataclass
class Replay(FineTune):
    """Trains on the newest batch together with a reservoir of old rows.

    ``old`` is the reservoir; None before the first batch.

    Args:
        size: rows in the reservoir of each node.

    Example:
        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = Replay(size=3)
        >>> learner.begin(MLP(1, 1), alone, Pace(), seed=0)
        >>> for step in range(2):  # four rows, of which the reservoir keeps three
        ...     learner.end(batch)
        >>> learner.reservoir(batch).weight.tolist()
        [[1.0, 1.0, 1.0]]
    """

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
        """Return the reservoir; the first call creates an empty one.

        Args:
            batch: a batch, for the shape of its rows.

        Returns:
            The reservoir of all nodes.
        """
        if self.old is None:
            shape = batch.x.shape[2:]
            outputs = self.network.classes - 1
            nodes = self.exchange.own.tolist()
            self.old = Reservoir(nodes, self.size, shape, outputs, self.seed)
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
    """A-GEM: no step raises the loss on the reservoir, to first order.

    With the gradient g on the newest batch and r on the reservoir, a step takes g - min(g . r, 0) /
    (r . r) r.

    Args:
        size: rows in the reservoir of each node.

    Reference:
        Chaudhry 2019, arXiv:1812.00420.

    Example:
        The second batch contradicts the first one.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = AGEM()
        >>> learner.begin(MLP(1, 4), alone, Pace(), seed=0)
        >>> learner.learn(batch, concept=np.array([0]))
        >>> opposite = (batch.x, 1 - batch.y, batch.weight)
        >>> on_reservoir = learner.network.loss_gradient(learner.models, *learner.old.rows)
        >>> plain = learner.network.loss_gradient(learner.models, *opposite)
        >>> float((plain * on_reservoir).sum()) < -1e-6
        True
        >>> float((learner.gradient(learner.models, opposite) * on_reservoir).sum()) < -1e-6
        False
    """

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        self.reservoir(batch)
        return FineTune.rows(self, batch)

    def gradient(self, models: Array, rows: Rows) -> Array:
        """See ``FineTune``."""
        assert self.old is not None
        slope = self.network.loss_gradient(models, *rows)
        reference = self.network.loss_gradient(models, *self.old.rows)
        product = (slope * reference).sum(axis=1, keepdims=True)
        square = np.maximum((reference**2).sum(axis=1, keepdims=True), 1e-12)
        return np.asarray(slope - np.minimum(product, 0) / square * reference)


@LEARNERS.register("der++")
@dataclass
class DERpp(Replay):
    """DER++: old rows keep their labels and the logits that the model predicted for them.

    The loss is the log loss on the newest batch, plus on the reservoir alpha times the mean squared
    error of the logits and beta times the log loss.

    Args:
        size: rows in the reservoir of each node.
        alpha: weight of the error of the logits, 0 or more.
        beta: weight of the log loss, 0 or more.

    Reference:
        Buzzega 2020, arXiv:2004.07211.

    Example:
        An unchanged model gives old rows the same logits, so with beta 0 nothing is added.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = DERpp(alpha=0.5, beta=0.0)
        >>> learner.begin(MLP(1, 4), alone, Pace(), seed=0)
        >>> learner.learn(batch, concept=np.array([0]))
        >>> rows = learner.rows(batch)
        >>> plain = learner.network.loss_gradient(learner.models, *rows)
        >>> np.allclose(learner.gradient(learner.models, rows), plain)
        True
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
        net = self.network
        slope = net.loss_gradient(models, *rows)
        x, y, weight = self.old.rows
        logits = net.logits(models, x)
        share = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1)
        error = 2 * (logits - self.old.logits) * share[..., None] / logits.shape[-1]
        pull = self.alpha * error + self.beta * net.pull(logits, y, weight)
        return np.asarray(slope + net.gradient(models, x, pull))
