"""Decentralised adaptive clustering (Zec 2022): nodes ask those whose models fit their rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.learner import LEARNERS, Learner, Pace, apart
from flame.streams.networks.base import Adam, Array, Network, log_loss, shares
from flame.streams.stream import Batch


@LEARNERS.register("dac")
@dataclass
class DAC(Learner):
    """Each node asks a few neighbours for their models, more often those that fit its rows.

    The similarity s_ij of a node that was asked is 1 / (its model's loss on the newest batch of i);
    that of another one is what the most similar neighbour that was asked has for it, else 0. In
    each round node i draws ``peers`` neighbours without replacement with probabilities
    proportional to exp(tau s_ij), and averages their models with its own by numbers of rows.

    ``similarity`` (n, n) is 0 where it is unknown.

    Args:
        peers: number of neighbours that a node asks in each round; 0: all.
        tau: how much more often similar neighbours are asked.

    Reference:
        Zec 2022, arXiv:2206.08839. There every node can ask every other one.

    Example:
        The labels of two pairs of nodes are opposite, and each node soon asks its like.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Gossip
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(topology="full"), ("a", "b", "c", "d"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> batch = padded([(x, y, y), (x, y, y), (x, 1 - y, y), (x, 1 - y, y)], shape=(1,))
        >>> learner = DAC()
        >>> learner.begin(MLP(1, 4), Gossip(peers, "dpsgd", {}, rate=0.02), Pace(), seed=0)
        >>> learner.learn(batch, concept=np.zeros(4, int))
        >>> np.fill_diagonal(learner.similarity, 0)
        >>> learner.similarity.argmax(axis=1).tolist()
        [1, 0, 3, 2]
    """

    peers: int = 2
    tau: float = 30.0

    def __post_init__(self) -> None:
        if self.peers < 0 or self.tau < 0:
            raise BadInput("methods.options: peers and tau must be 0 or more")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.similarity = np.zeros((exchange.nodes, exchange.nodes))
        self._seed = seed

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        adam = Adam(self.start.shape, self.pace.rate)
        self.similarity = np.zeros_like(self.similarity)  # it is of the newest batch
        for number, participating in self.rounds([adam]):
            weight = batch.weight * participating[:, None]
            trained = self.network.descend(
                self.models, batch.x, batch.y, weight, adam, self.pace.local_steps
            )
            if number == 0:
                self.divergence = apart(trained)
            asked = self._asked()
            # With its model a node sends what it knows about the others.
            self.exchange.sends(asked.astype(np.float64) * (self.network.size + len(asked)))
            received = asked & self.exchange.now.arrived
            self._compare(trained, batch, received)
            of = (received | np.eye(len(asked), dtype=bool)) * np.maximum(weight.sum(axis=1), 1e-6)
            mixed = of / of.sum(axis=1, keepdims=True) @ trained
            self.models = np.where(participating[:, None], mixed, self.models)

    def _asked(self) -> NDArray[np.bool_]:
        """Draw whom each node (row) asks, by the exponential races of a weighted draw."""
        heard = self.exchange.now.hears
        rng = np.random.default_rng([self._seed, 7, self.exchange.number])
        chance = self.tau * self._estimated() + rng.gumbel(size=heard.shape)
        order = np.argsort(np.argsort(-np.where(heard, chance, -np.inf), axis=1), axis=1)
        return heard & (order < (self.peers or len(heard)))

    def _estimated(self) -> Array:
        """Return the similarities (n, n); unknown ones as the most similar neighbour knows them."""
        closest = self.similarity.argmax(axis=1)
        return np.where(self.similarity > 0, self.similarity, self.similarity[closest])

    def _compare(self, models: Array, batch: Batch, received: NDArray[np.bool_]) -> None:
        """Update the similarity of the nodes whose models were received."""
        share = shares(batch.weight)
        has_rows = batch.exists.any(axis=1)
        for node in np.flatnonzero(received.any(axis=0)):
            logits = self.network.logits(np.tile(models[node], (len(models), 1)), batch.x)
            loss = (log_loss(logits, batch.y) * share).sum(axis=1)
            fits = received[:, node] & has_rows
            known = 1 / np.maximum(loss, 1e-6)
            self.similarity[:, node] = np.where(fits, known, self.similarity[:, node])
