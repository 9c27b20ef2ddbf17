"""Krum and Multi-Krum (Blanchard 2017, arXiv:1703.02757)."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import FlameError
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shaped, stacked


@STRATEGIES.register("krum")
@dataclass(frozen=True)
class Krum(Strategy):
    """The mean of the ``keep`` sites that are nearest to their nearest neighbours.

    ``liars`` of n sites may send anything: n must be at least 2 liars + 3. ``keep`` 1 is Krum, more
    is Multi-Krum.
    """

    liars: int = 0
    keep: int = 1

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Each site counts alike."""
        points = stacked(updates)
        chosen = nearest(points, self.liars, self.keep)
        return State(shaped(points[chosen].mean(axis=0), state.weights), state.memory, state.names)


def nearest(points: np.ndarray, liars: int, keep: int) -> np.ndarray:
    """The ``keep`` rows (site, parameter) of the lowest sums of n - liars - 2 squared distances."""
    sites = len(points)
    if sites < 2 * liars + 3:
        raise FlameError(f"krum with liars = {liars} needs {2 * liars + 3} sites, not {sites}")
    return np.argsort(krum_scores(points, sites - liars - 2), kind="stable")[:keep]


def krum_scores(points: np.ndarray, neighbours: int) -> np.ndarray:
    """Of each row the sum of squared distances to so many nearest others."""
    apart = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(np.sort(apart, axis=1)[:, : max(neighbours, 1)].sum(axis=1))
