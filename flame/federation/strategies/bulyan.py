"""Bulyan (El Mhamdi 2018, arXiv:1802.07927)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from flame.core.arrays import shaped
from flame.core.scores import Update
from flame.federation.strategies.krum import krum_scores
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, stacked


@STRATEGIES.register("bulyan")
@dataclass(frozen=True)
class Bulyan(Strategy):
    """Selects sites by Krum, and averages the values of each parameter nearest to the median.

    Krum selects n - 2 f of the n sites one by one, with f = ``num_byzantine``. The next value of a
    parameter is the unweighted mean of the n - 4 f selected values nearest to their median.

    Args:
        num_byzantine: number f of sites that may send arbitrary weights; n must be at least
            4 f + 3.

    Reference:
        El Mhamdi 2018, arXiv:1802.07927.

    Example:
        >>> values = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 100.0)
        >>> updates = [Update(str(v), [np.array([v])], 1, 0.0, 0.0) for v in values]
        >>> Bulyan(num_byzantine=1).aggregate(State([np.zeros(1)]), updates).weights[0]
        array([2.])
    """

    num_byzantine: Annotated[int, Ge(0)] = 0

    @property
    def least_sites(self) -> int:
        """Sites that the paper needs."""
        return 4 * self.num_byzantine + 3

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Select sites by Krum and average the values nearest to the median.

        Args:
            state: the state before the round.
            updates: updates of the sites, in order of centre name.

        Returns:
            The state after the round.

        Raises:
            BadInput: fewer than 4 num_byzantine + 3 sites sent an update.
        """
        self.check_sites([u.centre for u in updates])
        points = stacked(updates)
        sites = len(updates)
        remaining = list(range(sites))
        chosen = list[int]()
        while len(chosen) < sites - 2 * self.num_byzantine:
            scores = krum_scores(points[remaining], len(remaining) - self.num_byzantine - 2)
            chosen.append(remaining.pop(int(np.argmin(scores))))
        selected = points[chosen]
        distance = np.abs(selected - np.median(selected, axis=0))
        order = np.argsort(distance, axis=0, kind="stable")
        nearest = order[: len(chosen) - 2 * self.num_byzantine]
        mean = np.take_along_axis(selected, nearest, axis=0).mean(axis=0)
        return State(shaped(mean, state.weights), state.memory, state.names)
