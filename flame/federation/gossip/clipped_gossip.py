"""Clipped gossip (He 2022, arXiv:2202.01545): bounds the influence of a Byzantine neighbour."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round


@METHODS.register("clipped-gossip")
@dataclass(frozen=True)
class ClippedGossip(Method):
    """Each node steps towards its neighbours, with each distance clipped to a radius.

    x_i <- x_i + sum_j W_ij (x_j - x_i) min(1, ``radius`` / |x_j - x_i|).

    Args:
        radius: largest distance to a neighbour that has full weight, as Euclidean norm over all
            parameters.

    Reference:
        He 2022, arXiv:2202.01545.

    Example:
        >>> half = np.full((2, 2), 0.5)
        >>> now = Round(half, half > 0, np.ones(2, bool), np.random.default_rng(0))
        >>> trained = np.array([[0.0], [100.0]])
        >>> ClippedGossip(radius=1.0).mix(NodeStates(trained), trained, now).models.tolist()
        [[0.5], [99.5]]
    """

    radius: Annotated[float, Gt(0)] = 1.0

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Step towards the neighbours; with a radius above every distance it is D-PSGD."""
        models = trained.copy()
        for sender in range(len(trained)):
            difference = trained[sender] - trained
            distance = np.linalg.norm(difference, axis=1, keepdims=True)
            factor = self.radius / np.maximum(distance, self.radius)
            models += now.kept[:, [sender]] * factor * difference
        return NodeStates(models)
