"""Epidemic learning (De Vos 2023, arXiv:2310.01972)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round


@METHODS.register("epidemic")
@dataclass(frozen=True)
class Epidemic(Method):
    """Each node sends its model to random neighbours and averages those that it receives.

    x_i <- mean of x_i and all x_j that chose i in this round.

    Args:
        peers: number of neighbours that a node sends to; it draws them anew in each round.

    Reference:
        De Vos 2023, arXiv:2310.01972.

    Example:
        With two nodes there is only one neighbour to draw.

        >>> half = np.full((2, 2), 0.5)
        >>> now = Round(half, half > 0, np.ones(2, bool), np.random.default_rng(0))
        >>> trained = np.array([[0.0], [4.0]])
        >>> Epidemic(peers=1).mix(NodeStates(trained), trained, now).models.tolist()
        [[2.0], [2.0]]
    """

    peers: Annotated[int, Ge(1)] = 2

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """See ``Method``. On a regular graph with ``peers`` neighbours it is D-PSGD."""
        order = now.rng.random(now.weights.shape)
        order[~now.hears] = np.inf
        rank = order.argsort(axis=0).argsort(axis=0)
        chosen = (rank < self.peers) & np.isfinite(order) & now.arrived
        together = chosen + np.eye(len(trained))
        return NodeStates(together @ trained / together.sum(axis=1, keepdims=True))

    def numbers(self, size: int, now: Round) -> Array:
        """See ``Method``. A node sends to at most ``peers`` neighbours."""
        return np.asarray(size * np.minimum(now.hears.sum(axis=0), self.peers), float)
