"""FACADE (Biswas 2024): a representation that all nodes share, and one head for each cluster."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.streams.exchange import Exchange
from flame.streams.learners.clustered import Clustered
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.networks.base import Adam, Array, Network, one_hot
from flame.streams.stream import Batch
from flame.streams.transport import Shared


@LEARNERS.register("facade")
@dataclass
class FACADE(Clustered):
    """Node i trains the shared representation and the head argmin_c loss_c(newest batch of i).

    In each round a node averages the representation over all nodes that it hears, and each head
    over those of them that trained it. ``heads`` holds the last layers (n, head) of each cluster.

    Args:
        clusters: number of heads.

    Reference:
        Biswas 2024, arXiv:2410.02541. There links are drawn anew in each round
        (``gossip.topology = "random"``), and the models are averaged before they train; here
        after, as by all learners.

    Example:
        Two nodes whose labels are opposite end with different heads.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Gossip
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> drifted = padded([(x, y, y), (x, 1 - y, 1 - y)], shape=(1,))
        >>> learner = FACADE(clusters=4)
        >>> learner.begin(MLP(1, 4), Gossip(peers, "dpsgd", {}, rate=0.02), Pace(), seed=0)
        >>> learner.learn(drifted, concept=np.array([0, 1]))
        >>> bool((learner.predict(drifted.x).argmax(axis=-1) == drifted.y).all())
        True
    """

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.heads = np.stack(self.bank)[..., network.body :]
        self.bank.clear()  # of its models only the heads are needed
        self._chosen = np.zeros(exchange.nodes, int)

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        adam = Adam(self.start.shape, self.pace.rate)
        body, nodes = self.network.body, np.arange(self.exchange.nodes)
        for _, participating in self.rounds([adam]):
            core = self.exchange.given(self.models)[:, :body]
            self._chosen = self._best(core, batch)
            started = np.hstack([core, self.heads[self._chosen, nodes]])
            weight = batch.weight * participating[:, None]
            trained = self.network.descend(
                started, batch.x, batch.y, weight, adam, self.pace.local_steps
            )
            sent, of_head = self._shared(trained, weight.sum(axis=1))
            by_counts = self.exchange.now.by(sent.counts)
            core = (by_counts @ sent.models)[self.exchange.own][:, :body]
            self.heads[self._chosen, nodes] = trained[:, body:]
            self.heads = self._averaged(sent, of_head, by_counts, participating)
            self.exchange.sends(self.network.size + 1)  # with the number of the head
            new = np.hstack([core, self.heads[self._chosen, nodes]])
            self.models = np.where(participating[:, None], new, self.models)

    def _best(self, core: Array, batch: Batch) -> NDArray[np.int_]:
        """Return the head (n,) with the lowest loss; a node without rows keeps its last one."""
        losses = self.losses([np.hstack([core, heads]) for heads in self.heads], batch)
        return np.where(batch.exists.any(axis=1), np.argmin(losses, axis=0), self._chosen)

    def _shared(self, trained: Array, counts: Array) -> tuple[Shared, NDArray[np.bool_]]:
        """Send models by the number of their head; return those of all nodes, with these numbers.

        Returns:
            The models of all nodes, and a mask (clusters, everyone) of the head that each trained.
        """
        names = [str(c) for c in range(self.clusters)]
        of_own = one_hot(self._chosen, self.clusters).T > 0
        parts = {
            name: Shared(trained, counts, held) for name, held in zip(names, of_own, strict=True)
        }
        shared = self.exchange.share(parts)
        of_head = np.stack([shared[name].held for name in names])
        held = np.asarray(of_head.sum(axis=0) == 1)  # a message of none or several is lost
        of_head = of_head & held
        self.exchange.only_from(held)
        each = [(of, shared[name]) for of, name in zip(of_head, names, strict=True)]
        models = sum(np.where(of[:, None], part.models, 0) for of, part in each)
        rows = sum(np.where(of, part.counts, 0) for of, part in each)
        return Shared(np.asarray(models), np.asarray(rows), held), of_head

    def _averaged(
        self,
        sent: Shared,
        of_head: NDArray[np.bool_],
        by_counts: Array,
        participating: NDArray[np.bool_],
    ) -> Array:
        """Average each head over the node itself and the neighbours that trained it."""
        itself = np.eye(len(by_counts), dtype=bool)
        averaged = []
        for trained_it, heads in zip(of_head, self.heads, strict=True):
            of_all = sent.models[:, self.network.body :].copy()
            of_all[self.exchange.own] = heads
            from_whom = by_counts * (trained_it | itself)
            mean = (from_whom / from_whom.sum(axis=1, keepdims=True) @ of_all)[self.exchange.own]
            averaged.append(np.where(participating[:, None], mean, heads))
        return np.stack(averaged)
