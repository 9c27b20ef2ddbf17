"""Coordinate-wise trimmed mean (Yin 2018, arXiv:1803.01498)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from flame.core.arrays import shaped
from flame.core.errors import FlameError
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, stacked


@STRATEGIES.register("trimmed-mean")
@dataclass(frozen=True)
class TrimmedMean(Strategy):
    """Of every parameter the mean without the ``num_trimmed`` highest and lowest sites."""

    num_trimmed: Annotated[int, Ge(0)] = 1

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Each site counts alike; with num_trimmed 0 the plain mean."""
        sites = len(updates)
        if sites <= 2 * self.num_trimmed:
            raise FlameError(
                f"trimmed-mean with num_trimmed = {self.num_trimmed} needs "
                f"{2 * self.num_trimmed + 1} sites, not {sites}"
            )
        ordered = np.sort(stacked(updates), axis=0)[self.num_trimmed : sites - self.num_trimmed]
        return State(shaped(ordered.mean(axis=0), state.weights), state.memory, state.names)
