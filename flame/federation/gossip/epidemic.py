"""Epidemic learning (De Vos 2023, arXiv:2310.01972)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round


@METHODS.register("epidemic")
@dataclass(frozen=True)
class Epidemic(Method):
    """Each node sends to ``peers`` of its neighbours, drawn anew, who average what they got."""

    peers: Annotated[int, Ge(1)] = 2

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """With as many peers as there are neighbours of a regular graph it is D-PSGD."""
        order = now.rng.random(now.weights.shape)
        order[~now.hears] = np.inf
        rank = order.argsort(axis=0).argsort(axis=0)
        chosen = (rank < self.peers) & np.isfinite(order) & now.arrived
        together = chosen + np.eye(len(trained))
        return NodeStates(together @ trained / together.sum(axis=1, keepdims=True))

    def numbers(self, size: int, now: Round) -> Array:
        """To those that were drawn alone."""
        return np.asarray(size * np.minimum(now.hears.sum(axis=0), self.peers), float)
