"""FedRC (Guo 2024): soft clusters of rows that follow what is learned, not how frequent it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.streams.exchange import Exchange
from flame.streams.learners.clustered import Clustered
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.networks.base import Adam, Array, Network, log_loss, one_hot
from flame.streams.stream import Batch

_TINY = 1e-9


@LEARNERS.register("fedrc")
@dataclass
class FedRC(Clustered):
    """Each row belongs to each of several models by a share, and trains them by it.

    For row j of node i with label y and model k, I_ijk = p_k(y | x) / C_yk, with C_yk the share of
    label y among the rows of model k. The row's share is g_ijk = w_ik I_ijk / sum_k w_ik I_ijk, the
    node's w_ik is the mean of g_ijk, and model k is averaged over nodes by sum_j g_ijk. Dividing by
    C_yk keeps rows together that differ only in how frequent their labels are. A node predicts by
    the models weighted by w_ik. C_yk is averaged as the models are: over those that a node hears.

    ``weights`` (n, clusters) is w.

    Args:
        clusters: number of models.

    Reference:
        Guo 2024, arXiv:2301.12379.

    Example:
        Two nodes whose labels are opposite end with different models.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.server import Server
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> drifted = padded([(x, y, y), (x, 1 - y, 1 - y)], shape=(1,))
        >>> learner = FedRC(clusters=3)
        >>> learner.begin(MLP(1, 4), Server(peers, "fedavg", {}, rate=0.02), Pace(), seed=0)
        >>> learner.learn(drifted, concept=np.array([0, 1]))
        >>> bool((learner.predict(drifted.x).argmax(axis=-1) == drifted.y).all())
        True
    """

    distributed = False  # it sends how frequent labels are, which sites keep

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.models = self.bank[0]
        self.weights = np.full((exchange.nodes, self.clusters), 1 / self.clusters)
        self._labels = np.full((self.clusters, exchange.nodes, network.classes), 1.0)

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        adams = [Adam(self.start.shape, self.pace.rate) for _ in self.bank]
        for _, participating in self.rounds(adams):
            self.bank = [self.exchange.given(models) for models in self.bank]
            taking_part = participating & batch.exists.any(axis=1)
            shares = self.shares(batch) * (batch.exists & participating[:, None])
            rows = np.maximum(batch.exists.sum(axis=1), 1)
            mean = np.maximum(shares.sum(axis=2).T / rows[:, None], _TINY)
            self.weights = np.where(taking_part[:, None], mean, self.weights)
            for k, share in enumerate(shares):
                trained = self.network.descend(
                    self.bank[k], batch.x, batch.y, share, adams[k], self.pace.local_steps
                )
                counts = share.sum(axis=1)
                labels = (share[..., None] * one_hot(batch.y, self.network.classes)).sum(axis=1)
                sent = np.hstack([trained, labels / np.maximum(counts, _TINY)[:, None]])
                got = self.exchange.average(sent, counts)
                moved = np.where(participating[:, None], got[:, : self.network.size], self.bank[k])
                self.bank[k] = moved
                new = np.maximum(got[:, self.network.size :], _TINY)
                self._labels[k] = np.where(participating[:, None], new, self._labels[k])
                self.exchange.sends(sent.shape[1] + 1)
        best = self.weights.argmax(axis=1)
        self.models = np.stack([self.bank[k][node] for node, k in enumerate(best)])

    def shares(self, batch: Batch) -> Array:
        """Compute how much each row belongs to each model.

        Args:
            batch: the rows.

        Returns:
            Shares (clusters, n, m), which sum to 1 over the models.
        """
        nodes = np.arange(len(batch.y))[:, None]
        log = np.stack(
            [
                np.log(self.weights[:, k, None])
                - log_loss(self.network.logits(models, batch.x), batch.y)
                - np.log(self._labels[k][nodes, batch.y])
                for k, models in enumerate(self.bank)
            ]
        )
        likely = np.exp(log - log.max(axis=0))
        return np.asarray(likely / likely.sum(axis=0))

    def predict(self, x: Array) -> Array:
        """See ``Learner``. The models are weighted by the node's shares."""
        parts = [
            self.weights[:, k, None, None] * self.network.probability(models, x)
            for k, models in enumerate(self.bank)
        ]
        total = self.weights.sum(axis=1)[:, None, None]
        return np.asarray(sum(parts) / total)
