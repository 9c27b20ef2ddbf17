"""Each node mixes with the neighbours that learn in the same direction (Sattler 2021).

After clustered federated learning, 10.1109/TNNLS.2020.3015958. There the server compares updates;
here each node compares the changes of the models that it receives with its own change.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round


@METHODS.register("alike")
@dataclass(frozen=True)
class Alike(Method):
    """The weighted mean of a node's own model and those of its most similar neighbours.

    The similarity of nodes i and j is the cosine of their changes in training. Node i mixes with
    its ``closest`` most similar neighbours whose similarity is at least ``least``. The weight of
    the other neighbours goes to its own model.

    Args:
        closest: largest number of neighbours that a node mixes with.
        least: smallest cosine of a neighbour that it mixes with, -1 to 1.

    Reference:
        After Sattler 2021, 10.1109/TNNLS.2020.3015958.

    Example:
        Nodes 0 and 1 learn in one direction, node 2 in the other.

        >>> third = np.full((3, 3), 1 / 3)
        >>> now = Round(third, third > 0, np.ones(3, bool), np.random.default_rng(0))
        >>> trained = np.array([[1.0], [4.0], [-1.0]])
        >>> Alike().mix(NodeStates(np.zeros((3, 1))), trained, now).models.round(2).tolist()
        [[2.0], [3.0], [-1.0]]
    """

    closest: Annotated[int, Ge(1)] = 2
    least: Annotated[float, Ge(-1), Le(1)] = 0.0

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Mix each node with its most similar neighbours; with all neighbours it is D-PSGD."""
        change = trained - before.models
        length = np.linalg.norm(change, axis=1, keepdims=True)
        direction = change / np.where(length > 0, length, 1)
        cosine = np.where(now.kept > 0, direction @ direction.T, -np.inf)
        np.fill_diagonal(cosine, -np.inf)
        rank = (-cosine).argsort(axis=1, kind="stable").argsort(axis=1)
        chosen = (rank < self.closest) & (cosine >= self.least)
        weights = np.where(chosen, now.kept, 0.0)
        np.fill_diagonal(weights, 1 - weights.sum(axis=1))
        return NodeStates(weights @ trained)
