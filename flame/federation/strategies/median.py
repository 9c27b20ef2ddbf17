"""Coordinate-wise median (Yin 2018, arXiv:1803.01498)."""

from dataclasses import dataclass

import numpy as np

from flame.core.arrays import shaped
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, stacked


@STRATEGIES.register("median")
@dataclass(frozen=True)
class Median(Strategy):
    """The median of each parameter over the sites, all with the same weight.

    The result is bounded by the honest sites while fewer than half of the sites are Byzantine.

    Reference:
        Yin 2018, arXiv:1803.01498.

    Example:
        >>> values = (0.0, 1.0, 100.0)
        >>> updates = [Update(str(v), [np.array([v])], 1, 0.0, 0.0) for v in values]
        >>> Median().aggregate(State([np.zeros(1)]), updates).weights[0]
        array([1.])
    """

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Take the median of each parameter."""
        return State(
            shaped(np.median(stacked(updates), axis=0), state.weights), state.memory, state.names
        )
