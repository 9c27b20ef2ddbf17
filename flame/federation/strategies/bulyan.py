"""Bulyan (El Mhamdi 2018, arXiv:1802.07927)."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import FlameError
from flame.core.scores import Update
from flame.federation.strategies.krum import krum_scores
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shaped, stacked


@STRATEGIES.register("bulyan")
@dataclass(frozen=True)
class Bulyan(Strategy):
    """Krum chooses n - 2 ``liars`` sites; of every parameter those nearest the median are averaged.

    ``liars`` of n sites may send anything: n must be at least 4 liars + 3.
    """

    liars: int = 0

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Each site counts alike."""
        points, sites = stacked(updates), len(updates)
        if sites < 4 * self.liars + 3:
            least = 4 * self.liars + 3
            raise FlameError(f"bulyan with liars = {self.liars} needs {least} sites, not {sites}")
        left, chosen = list(range(sites)), list[int]()
        while len(chosen) < sites - 2 * self.liars:
            scores = krum_scores(points[left], len(left) - self.liars - 2)
            chosen.append(left.pop(int(np.argmin(scores))))
        selected = points[chosen]
        away = np.abs(selected - np.median(selected, axis=0))
        nearest = np.argsort(away, axis=0, kind="stable")[: len(chosen) - 2 * self.liars]
        mean = np.take_along_axis(selected, nearest, axis=0).mean(axis=0)
        return State(shaped(mean, state.weights), state.memory, state.names)
