"""IFCA: nodes choose one of several shared models in every round."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.streams.exchange import Exchange
from flame.streams.learners.clustered import Clustered
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.networks.base import Adam, Network
from flame.streams.server import Averages, Server, ServerPart
from flame.streams.stream import Batch


@LEARNERS.register("ifca")
@dataclass
class IFCA(Clustered):
    """Clusters of nodes share models: node i trains the model argmin_c loss_c(newest batch of i).

    Each model is averaged over the nodes that chose it, weighted by rows; peers that did not choose
    a model forward it.

    Args:
        clusters: number of models.

    Reference:
        Ghosh 2020, arXiv:2006.04088.

    Example:
        Two nodes whose labels are opposite end with different models.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> peers = GossipNetwork(GossipConfig(), ("a", "b"))
        >>> x = np.linspace(-1, 1, 20)[:, None]
        >>> y = (x[:, 0] > 0).astype(int)
        >>> same = padded([(x, y, y), (x, y, y)], shape=(1,))
        >>> drifted = padded([(x, y, y), (x, 1 - y, 1 - y)], shape=(1,))
        >>> learner = IFCA(clusters=4)
        >>> learner.begin(MLP(1, 4), Server(peers, "fedavg", {}, rate=0.02), Pace(), seed=0)
        >>> learner.learn(drifted, concept=np.array([0, 1]))
        >>> bool((learner.predict(drifted.x).argmax(axis=-1) == drifted.y).all())
        True
    """

    at_server = True

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self._cluster = np.zeros(exchange.nodes, int)
        self.models = self.bank[0]

    def server_part(self) -> ServerPart | None:
        """See ``Learner``. The server averages one model after another."""
        return Averages(self.exchange, self.bank) if isinstance(self.exchange, Server) else None

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """See ``Learner``."""
        adams = [Adam(self.start.shape, self.pace.rate) for _ in self.bank]
        for _, participating in self.rounds(adams):
            self.bank = [self.exchange.given(models) for models in self.bank]
            chosen = self.choose(batch)
            for c, models in enumerate(self.bank):
                weight = batch.weight * (participating & (chosen == c))[:, None]
                trained = self.network.descend(
                    models, batch.x, batch.y, weight, adams[c], self.pace.local_steps
                )
                self.bank[c] = self.exchange.average(trained, weight.sum(axis=1))
                sending = chosen == c if isinstance(self.exchange, Server) else True  # peers relay
                self.exchange.sends(self.network.size * np.asarray(sending, float))
        chosen = self.choose(batch)
        self.models = np.stack([self.bank[c][node] for node, c in enumerate(chosen)])

    def choose(self, batch: Batch) -> NDArray[np.int_]:
        """Choose the model with the lowest loss on each node's batch.

        Args:
            batch: the newest batch.

        Returns:
            Number (n,) of the model in ``bank``; a node without rows keeps its last one.
        """
        losses = self.losses(self.bank, batch)
        has_rows = batch.exists.any(axis=1)
        self._cluster = np.where(has_rows, np.argmin(losses, axis=0), self._cluster)
        return self._cluster
