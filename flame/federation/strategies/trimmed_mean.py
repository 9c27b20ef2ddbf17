"""Coordinate-wise trimmed mean (Yin 2018, arXiv:1803.01498)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from flame.core.arrays import shaped
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, stacked


@STRATEGIES.register("trimmed-mean")
@dataclass(frozen=True)
class TrimmedMean(Strategy):
    """The mean of each parameter over the sites, without its highest and lowest values.

    All sites have the same weight.

    Args:
        num_trimmed: number of values left out at either end; 0 is the mean.

    Reference:
        Yin 2018, arXiv:1803.01498.

    Example:
        >>> values = (0.0, 1.0, 2.0, 100.0)
        >>> updates = [Update(str(v), [np.array([v])], 1, 0.0, 0.0) for v in values]
        >>> TrimmedMean(num_trimmed=1).aggregate(State([np.zeros(1)]), updates).weights[0]
        array([1.5])
    """

    num_trimmed: Annotated[int, Ge(0)] = 1

    @property
    def least_sites(self) -> int:
        """Sites that leave one value."""
        return 2 * self.num_trimmed + 1

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average each parameter without its highest and lowest values.

        Args:
            state: the state before the round.
            updates: updates of the sites, in order of centre name.

        Returns:
            The state after the round.

        Raises:
            BadInput: fewer than 2 num_trimmed + 1 sites sent an update.
        """
        self.check_sites([u.centre for u in updates])
        sites = len(updates)
        ordered = np.sort(stacked(updates), axis=0)[self.num_trimmed : sites - self.num_trimmed]
        return State(shaped(ordered.mean(axis=0), state.weights), state.memory, state.names)
