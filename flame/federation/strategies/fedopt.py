"""Adaptive optimisers at the server (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass

import numpy as np

from flame.core.scores import Update, Weights
from flame.federation.strategies.strategy import State, Strategy, mean_change, moved

_FIRST, _SECOND = "first", "second"


@dataclass(frozen=True)
class FedOpt(Strategy):
    """Moves by ``rate`` m / (sqrt(v) + ``tau``); m runs with ``momentum``, v is the optimiser's.

    v starts at ``tau`` squared, as in the paper.
    """

    mean_suffices = True
    rate: float = 0.03
    tau: float = 1e-3
    momentum: float = 0.9
    decay: float = 0.99

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """One step of the server's optimiser, whose gradient is the mean change."""
        change = mean_change(state, updates)
        zeros = [np.zeros(c.shape) for c in change]
        first, second = (state.memory.get(n) for n in (_FIRST, _SECOND))
        first = [
            self.momentum * m + (1 - self.momentum) * c
            for m, c in zip(first or zeros, change, strict=True)
        ]
        second = self.second(second or [z + self.tau**2 for z in zeros], change)
        step = [m / (np.sqrt(v) + self.tau) for m, v in zip(first, second, strict=True)]
        memory = {**state.memory, _FIRST: first, _SECOND: second}
        return State(moved(state.weights, step, self.rate), memory, state.names)

    def second(self, second: Weights, change: Weights) -> Weights:
        """The next v."""
        raise NotImplementedError
