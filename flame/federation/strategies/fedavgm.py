"""Averaging with momentum at the server (Hsu 2019, arXiv:1909.06335)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Lt

from flame.core.arrays import moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, mean_change

_VELOCITY = "velocity"
"""Name of v in ``State.memory``."""


@STRATEGIES.register("fedavgm")
@dataclass(frozen=True)
class FedAvgM(Strategy):
    """Averages the sites' changes with momentum at the server.

    With the mean change d of the sites: v <- ``momentum`` v + d, then
    w <- w + ``server_learning_rate`` v.

    Args:
        momentum: share of the velocity v that is kept each round, 0 to below 1.
        server_learning_rate: step size of the server.

    Reference:
        Hsu 2019, arXiv:1909.06335.

    Example:
        The changes are 1 in both rounds, so v is 1 and then 1.5.

        >>> import numpy as np
        >>> strategy, state = FedAvgM(momentum=0.5), State([np.zeros(1)])
        >>> for trained in (1.0, 2.0):
        ...     update = Update("a", [np.array([trained])], patients=1, loss=0.0, seconds=0.0)
        ...     state = strategy.aggregate(state, [update])
        >>> state.weights[0]
        array([2.5])
    """

    mean_suffices = True
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    server_learning_rate: Annotated[float, Gt(0)] = 1.0

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Move by the velocity; without momentum and with a learning rate of 1 it is FedAvg."""
        velocity = mean_change(state, updates)
        if _VELOCITY in state.memory:
            velocity = moved(velocity, state.memory[_VELOCITY], self.momentum)
        weights = moved(state.weights, velocity, self.server_learning_rate)
        return State(weights, {**state.memory, _VELOCITY: velocity}, state.names)
