"""Coordinate-wise median (Yin 2018, arXiv:1803.01498)."""

from dataclasses import dataclass

import numpy as np

from flame.core.arrays import shaped
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, stacked


@STRATEGIES.register("median")
@dataclass(frozen=True)
class Median(Strategy):
    """Of every parameter the median over sites: bounded while fewer than half of them lie."""

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Each site counts alike."""
        return State(
            shaped(np.median(stacked(updates), axis=0), state.weights), state.memory, state.names
        )
