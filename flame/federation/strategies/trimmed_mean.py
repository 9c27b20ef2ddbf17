"""Coordinate-wise trimmed mean (Yin 2018, arXiv:1803.01498)."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import FlameError
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shaped, stacked


@STRATEGIES.register("trimmed-mean")
@dataclass(frozen=True)
class TrimmedMean(Strategy):
    """Of every parameter the mean without the ``trim`` highest and lowest sites."""

    trim: int = 1

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Each site counts alike; with trim 0 the plain mean."""
        sites = len(updates)
        if sites <= 2 * self.trim:
            raise FlameError(
                f"trimmed-mean with trim = {self.trim} needs {2 * self.trim + 1} sites, not {sites}"
            )
        ordered = np.sort(stacked(updates), axis=0)[self.trim : sites - self.trim]
        return State(shaped(ordered.mean(axis=0), state.weights), state.memory, state.names)
