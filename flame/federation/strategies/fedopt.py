"""Adaptive optimisers at the server (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from flame.core.arrays import moved
from flame.core.scores import Update, Weights
from flame.federation.strategies.strategy import State, Strategy, mean_change

_FIRST, _SECOND = "first", "second"


@dataclass(frozen=True)
class FedOpt(Strategy):
    """Moves by ``server_learning_rate`` m / (sqrt(v) + ``tau``).

    m runs with ``momentum``, v is that of the optimiser and starts at ``tau`` squared, as in the
    paper.
    """

    mean_suffices = True
    server_learning_rate: Annotated[float, Gt(0)] = 0.03
    tau: Annotated[float, Gt(0)] = 1e-3
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta_2: Annotated[float, Ge(0), Lt(1)] = 0.99

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
        return State(moved(state.weights, step, self.server_learning_rate), memory, state.names)

    def second(self, second: Weights, change: Weights) -> Weights:
        """The next v."""
        raise NotImplementedError
