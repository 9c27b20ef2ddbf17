"""Adaptive optimisers at the server (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from flame.core.arrays import moved
from flame.core.scores import Update, Weights
from flame.federation.strategies.strategy import State, Strategy, mean_change

_FIRST = "first"
"""Name of m in ``State.memory``."""
_SECOND = "second"
"""Name of v in ``State.memory``."""


@dataclass(frozen=True)
class FedOpt(Strategy):
    """An adaptive optimiser at the server, whose gradient is the mean change d of the sites.

    m <- ``momentum`` m + (1 - ``momentum``) d, then
    w <- w + ``server_learning_rate`` m / (sqrt(v) + ``tau``).
    m starts at 0 and v at ``tau`` squared, as in the paper. A subclass updates v.

    Args:
        server_learning_rate: step size of the server.
        tau: bounds the step where v is small.
        momentum: share of m that is kept each round, 0 to below 1.
        beta_2: share of v that is kept each round, 0 to below 1; FedAdagrad does not use it.

    Reference:
        Reddi 2021, arXiv:2003.00295.
    """

    mean_suffices = True
    server_learning_rate: Annotated[float, Gt(0)] = 0.03
    tau: Annotated[float, Gt(0)] = 1e-3
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta_2: Annotated[float, Ge(0), Lt(1)] = 0.99

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Take one step of the server's optimiser."""
        change = mean_change(state, updates)
        zeros = [np.zeros(c.shape) for c in change]
        last_first = state.memory.get(_FIRST) or zeros
        last_second = state.memory.get(_SECOND) or [z + self.tau**2 for z in zeros]
        first = [
            self.momentum * m + (1 - self.momentum) * c
            for m, c in zip(last_first, change, strict=True)
        ]
        second = self.second(last_second, change)
        step = [m / (np.sqrt(v) + self.tau) for m, v in zip(first, second, strict=True)]
        memory = {**state.memory, _FIRST: first, _SECOND: second}
        return State(moved(state.weights, step, self.server_learning_rate), memory, state.names)

    def second(self, second: Weights, change: Weights) -> Weights:
        """Return the next v.

        Args:
            second: the present v, one array for each of the weights.
            change: mean change d of the sites, in the same shapes.

        Returns:
            The next v, in the same shapes.

        Raises:
            NotImplementedError: a subclass does not override the method.
        """
        raise NotImplementedError
