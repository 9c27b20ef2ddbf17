"""Centred clipping (Karimireddy 2021, arXiv:2012.10333)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from flame.core.arrays import flat, shaped
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shares, stacked

_SMALLEST = 1e-300
"""Smallest divisor, which avoids a division by 0."""


@STRATEGIES.register("centred-clipping")
@dataclass(frozen=True)
class CentredClipping(Strategy):
    """The mean of the sites' weights, with their distances to the centre v clipped.

    v <- v + sum_k (n_k / n) (w_k - v) min(1, ``radius`` / |w_k - v|), repeated ``steps`` times from
    the server's weights.

    Args:
        radius: largest distance to the centre v that has full weight, as Euclidean norm over all
            parameters.
        steps: number of iterations.

    Reference:
        Karimireddy 2021, arXiv:2012.10333.

    Example:
        >>> values = (1.0, 100.0)
        >>> updates = [Update(str(v), [np.array([v])], 1, 0.0, 0.0) for v in values]
        >>> strategy = CentredClipping(radius=1, steps=1)
        >>> strategy.aggregate(State([np.zeros(1)]), updates).weights[0]
        array([1.])
    """

    radius: Annotated[float, Gt(0)] = 10.0
    steps: Annotated[int, Ge(1)] = 3

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average with clipped distances; with a radius above every distance it is FedAvg."""
        points = stacked(updates)
        weight = np.array(shares(updates))
        mean = flat(state.weights)
        for _ in range(self.steps):
            difference = points - mean
            distance = np.linalg.norm(difference, axis=1, keepdims=True)
            factor = np.minimum(1.0, self.radius / np.maximum(distance, _SMALLEST))
            mean = mean + weight @ (difference * factor)
        return State(shaped(mean, state.weights), state.memory, state.names)
