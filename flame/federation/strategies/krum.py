"""Krum and Multi-Krum (Blanchard 2017, arXiv:1703.02757)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from flame.core.arrays import shaped
from flame.core.errors import FlameError
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, stacked


@STRATEGIES.register("krum")
@dataclass(frozen=True)
class Krum(Strategy):
    """The mean of the ``keep`` sites that are nearest to their nearest neighbours.

    ``num_byzantine`` of n sites may send anything: n must be at least 2 num_byzantine + 3. ``keep``
    1 is Krum, more is Multi-Krum.
    """

    num_byzantine: Annotated[int, Ge(0)] = 0
    keep: Annotated[int, Ge(1)] = 1

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Each site counts alike."""
        points = stacked(updates)
        chosen = nearest(points, self.num_byzantine, self.keep)
        return State(shaped(points[chosen].mean(axis=0), state.weights), state.memory, state.names)


def nearest(points: np.ndarray, num_byzantine: int, keep: int) -> np.ndarray:
    """The ``keep`` rows (site, parameter) of the lowest sums of squared distances.

    Each sum is over the n - num_byzantine - 2 nearest other rows.
    """
    sites = len(points)
    if sites < 2 * num_byzantine + 3:
        raise FlameError(
            f"krum with num_byzantine = {num_byzantine} needs {2 * num_byzantine + 3} "
            f"sites, not {sites}"
        )
    return np.argsort(krum_scores(points, sites - num_byzantine - 2), kind="stable")[:keep]


def krum_scores(points: np.ndarray, neighbours: int) -> np.ndarray:
    """Of each row the sum of squared distances to so many nearest others."""
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(np.sort(apart, axis=1)[:, : max(neighbours, 1)].sum(axis=1))
