"""Neighbours chosen for oneself: those that learn in the same direction (Sattler 2021).

After clustered federated learning, 10.1109/TNNLS.2020.3015958, whose server compares updates; here
each node compares those that it hears with its own.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round


@METHODS.register("alike")
@dataclass(frozen=True)
class Alike(Method):
    """Hears the ``closest`` of its neighbours by the cosine of changes, if that is above ``least``.

    What others would weigh is its own.
    """

    closest: Annotated[int, Ge(1)] = 2
    least: Annotated[float, Ge(-1), Le(1)] = 0.0

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """With all neighbours alike enough and chosen it is D-PSGD."""
        change = trained - before.models
        length = np.linalg.norm(change, axis=1, keepdims=True)
        way = change / np.where(length > 0, length, 1)
        cosine = np.where(now.kept > 0, way @ way.T, -np.inf)
        np.fill_diagonal(cosine, -np.inf)
        rank = (-cosine).argsort(axis=1, kind="stable").argsort(axis=1)
        chosen = (rank < self.closest) & (cosine >= self.least)
        weights = np.where(chosen, now.kept, 0.0)
        np.fill_diagonal(weights, 1 - weights.sum(axis=1))
        return NodeStates(weights @ trained)
