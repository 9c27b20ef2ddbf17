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

    x_i <- mean of x_i and the x_j of all nodes j that chose i in this round.

    Args:
        peers: number of neighbours that a node sends to; it draws them anew in each round.

    Reference:
        De Vos 2023, arXiv:2310.01972.

    Example:
        Each of two nodes has one neighbour to draw.

        >>> half = np.full((2, 2), 0.5)
        >>> now = Round(half, half > 0, np.ones(2, bool), np.random.default_rng(0))
        >>> trained = np.array([[0.0], [4.0]])
        >>> Epidemic(peers=1).mix(NodeStates(trained), trained, now).models.tolist()
        [[2.0], [2.0]]
    """

    peers: Annotated[int, Ge(1)] = 2

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Average the received models; on a regular graph of degree ``peers`` it is D-PSGD."""
        draws = now.rng.random(now.weights.shape)
        draws[~now.hears] = np.inf
        rank = draws.argsort(axis=0).argsort(axis=0)
        received = (rank < self.peers) & np.isfinite(draws) & now.arrived
        averaged = received + np.eye(len(trained))
        return NodeStates(averaged @ trained / averaged.sum(axis=1, keepdims=True))

    def numbers(self, size: int, now: Round) -> Array:
        """Count the numbers of each node, which sends to at most ``peers`` neighbours."""
        return np.asarray(size * np.minimum(now.hears.sum(axis=0), self.peers), float)
