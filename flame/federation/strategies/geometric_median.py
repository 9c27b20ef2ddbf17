"""Geometric median (Pillutla 2022, arXiv:1912.13445)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from flame.core.arrays import shaped
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shares, stacked


@STRATEGIES.register("geometric-median")
@dataclass(frozen=True)
class GeometricMedian(Strategy):
    """The point of the smallest sum of distances to the sites, by Weiszfeld's smoothed steps."""

    steps: Annotated[int, Ge(1)] = 1000
    smoothing: Annotated[float, Gt(0)] = 1e-9

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Sites count by their patients."""
        points, weight = stacked(updates), np.array(shares(updates))
        at = np.median(points, axis=0)
        for _ in range(self.steps):
            distance = np.maximum(np.linalg.norm(points - at, axis=1), self.smoothing)
            pull = weight / distance
            there = pull @ points / pull.sum()
            arrived = np.linalg.norm(there - at) <= 1e-12 * max(float(np.linalg.norm(at)), 1e-12)
            at = there
            if arrived:
                break
        return State(shaped(at, state.weights), state.memory, state.names)
