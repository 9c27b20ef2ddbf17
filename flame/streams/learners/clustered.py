"""Base of the learners with a fixed number of models or heads, one for each cluster of nodes."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.learner import Learner, Pace
from flame.streams.networks.base import Array, Network, mean_loss, shares
from flame.streams.stream import Batch


@dataclass
class Clustered(Learner):
    """``bank`` holds the models (n, size) of each cluster; at first all nodes have the same.

    Args:
        clusters: number of models.
    """

    distributed = True
    clusters: int = 4

    def __post_init__(self) -> None:
        if self.clusters < 1:
            raise BadInput("methods.options.clusters: 1 or more")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        rngs = [np.random.default_rng([seed, 2, c]) for c in range(self.clusters)]
        self.bank = [np.tile(network.start(rng), (exchange.nodes, 1)) for rng in rngs]

    def losses(self, models: list[Array], batch: Batch) -> Array:
        """Compute the mean log loss of several models of each node on its rows.

        Args:
            models: one model of each node (n, size), for each cluster.
            batch: the rows.

        Returns:
            Losses (clusters, n) in nats; 0 without rows.
        """
        share = shares(batch.weight)
        return np.stack([mean_loss(self.network, m, batch.x, batch.y, share) for m in models])
