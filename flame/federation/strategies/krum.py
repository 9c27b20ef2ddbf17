"""Krum and Multi-Krum (Blanchard 2017, arXiv:1703.02757)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from flame.core.arrays import shaped
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, stacked


@STRATEGIES.register("krum")
@dataclass(frozen=True)
class Krum(Strategy):
    """The mean of the ``keep`` sites whose weights are nearest to those of their neighbours.

    The score of a site is the sum of squared distances to its n - ``num_byzantine`` - 2 nearest
    sites. The sites with the lowest scores are averaged with equal weights. With ``keep`` = 1 this
    is Krum, with more it is Multi-Krum.

    Args:
        num_byzantine: number of the n sites that may send arbitrary weights; n must be at least
            2 num_byzantine + 3.
        keep: number of sites that are averaged.

    Reference:
        Blanchard 2017, arXiv:1703.02757.

    Example:
        >>> values = (0.0, 1.0, 1.2, 100.0)
        >>> updates = [Update(str(v), [np.array([v])], 1, 0.0, 0.0) for v in values]
        >>> Krum().aggregate(State([np.zeros(1)]), updates).weights[0]
        array([1.])
    """

    num_byzantine: Annotated[int, Ge(0)] = 0
    keep: Annotated[int, Ge(1)] = 1

    @property
    def least_sites(self) -> int:
        """Sites for which the paper proves its bound, and no fewer than are kept."""
        return max(2 * self.num_byzantine + 3, self.keep)

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average the ``keep`` sites with the lowest scores."""
        self.check_sites([u.centre for u in updates])
        points = stacked(updates)
        chosen = nearest(points, self.num_byzantine, self.keep)
        return State(shaped(points[chosen].mean(axis=0), state.weights), state.memory, state.names)


def nearest(points: np.ndarray, num_byzantine: int, keep: int) -> np.ndarray:
    """Return the sites with the lowest Krum scores.

    Args:
        points: weights (n, p) of n sites.
        num_byzantine: number of sites that may send arbitrary weights.
        keep: number of sites to return.

    Returns:
        Indices (keep,) of rows, lowest score first.
    """
    sites = len(points)
    return np.argsort(krum_scores(points, sites - num_byzantine - 2), kind="stable")[:keep]


def krum_scores(points: np.ndarray, neighbours: int) -> np.ndarray:
    """Return for each site the sum of squared distances to its nearest sites.

    Args:
        points: weights (n, p) of n sites.
        neighbours: number of nearest other sites that are summed over, at least 1.

    Returns:
        Scores (n,).

    Example:
        >>> krum_scores(np.array([[0.0], [1.0], [3.0]]), 1)
        array([1., 1., 4.])
    """
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(squared, np.inf)
    return np.asarray(np.sort(squared, axis=1)[:, : max(neighbours, 1)].sum(axis=1))
