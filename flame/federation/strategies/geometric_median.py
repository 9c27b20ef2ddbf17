"""Geometric median (Pillutla 2022, arXiv:1912.13445)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from flame.core.arrays import shaped
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shares, stacked

_LEAST_MOVE = 1e-12
"""Iterations stop at a move of at most this share of the length of the weights."""
_LEAST_LENGTH = 1e-12
"""Length of the weights below which the move is compared with this length instead."""


@STRATEGIES.register("geometric-median")
@dataclass(frozen=True)
class GeometricMedian(Strategy):
    """The point with the smallest mean distance to the sites' weights, by numbers of patients.

    It minimises sum_k (n_k / n) |w - w_k| by smoothed Weiszfeld iterations, which start at the
    median of each parameter and stop when they move no further.

    Args:
        steps: largest number of iterations.
        smoothing: smallest distance that is divided by.

    Reference:
        Pillutla 2022, arXiv:1912.13445.

    Example:
        >>> values = (0.0, 1.0, 100.0)
        >>> updates = [Update(str(v), [np.array([v])], 1, 0.0, 0.0) for v in values]
        >>> GeometricMedian().aggregate(State([np.zeros(1)]), updates).weights[0].round(3)
        array([1.])
    """

    steps: Annotated[int, Ge(1)] = 1000
    smoothing: Annotated[float, Gt(0)] = 1e-9

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Iterate to the geometric median of the sites' weights."""
        points = stacked(updates)
        weight = np.array(shares(updates))
        median = np.median(points, axis=0)
        for _ in range(self.steps):
            distance = np.maximum(np.linalg.norm(points - median, axis=1), self.smoothing)
            pull = weight / distance
            last = median
            median = pull @ points / pull.sum()
            length = max(float(np.linalg.norm(last)), _LEAST_LENGTH)
            if np.linalg.norm(median - last) <= _LEAST_MOVE * length:
                break
        return State(shaped(median, state.weights), state.memory, state.names)
