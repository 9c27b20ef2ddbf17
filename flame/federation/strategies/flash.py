"""FLASH (Panchal 2023, proceedings.mlr.press/v202/panchal23a): a server that adapts to drift."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from flame.core.arrays import moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, mean_change

_FIRST = "first"
"""Name of m in ``State.memory``."""
_SECOND = "second"
"""Name of v in ``State.memory``."""
_DRIFT = "drift"
"""Name of d in ``State.memory``."""


@STRATEGIES.register("flash")
@dataclass(frozen=True)
class FLASH(Strategy):
    """FedAdam with larger steps while the sites' changes grow.

    With the mean change c of the sites, and m and v as in FedAdam:
    b = |v_before| / (|c^2 - v| + |v_before|), d <- b d + (1 - b) (c^2 - v), then
    w <- w + ``server_learning_rate`` m / (max(sqrt(v) - d, 0) + ``tau``).

    Args:
        server_learning_rate: step size of the server.
        tau: smallest divisor of a step.
        momentum: share of m that is kept each round, 0 to below 1.
        beta_2: share of v that is kept each round, 0 to below 1.
        drift: False keeps d at 0, which is FedAdam.

    Reference:
        Panchal 2023, proceedings.mlr.press/v202/panchal23a.

    Example:
        c is 2 and v goes from 1 to 2.5, so b is 0.4 and d is 0.9.

        >>> update = Update("a", [np.array([2.0])], patients=1, loss=0.0, seconds=0.0)
        >>> for drift in (False, True):
        ...     strategy = FLASH(1.0, tau=1.0, momentum=0.0, beta_2=0.5, drift=drift)
        ...     print(strategy.aggregate(State([np.zeros(1)]), [update]).weights[0].round(2))
        [0.77]
        [1.19]
    """

    mean_suffices = True
    server_learning_rate: Annotated[float, Gt(0)] = 0.03
    tau: Annotated[float, Gt(0)] = 1e-3
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta_2: Annotated[float, Ge(0), Lt(1)] = 0.99
    drift: bool = True

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Take one step of the server's optimiser."""
        change = mean_change(state, updates)
        zeros = [np.zeros(c.shape) for c in change]
        memory = state.memory or {
            _FIRST: zeros,
            _SECOND: [z + self.tau**2 for z in zeros],
            _DRIFT: zeros,
        }
        first = []
        second = []
        drift = []
        step = []
        arrays = zip(memory[_FIRST], memory[_SECOND], memory[_DRIFT], change, strict=True)
        for m, v, d, c in arrays:
            first.append(self.momentum * m + (1 - self.momentum) * c)
            second.append(self.beta_2 * v + (1 - self.beta_2) * c**2)
            excess = c**2 - second[-1]
            total = np.abs(excess) + np.abs(v)
            b = np.abs(v) / np.where(total > 0, total, 1)
            drift.append(b * d + (1 - b) * excess if self.drift else d)
            root = np.sqrt(second[-1])
            step.append(first[-1] / (np.maximum(root - drift[-1], 0) + self.tau))
        memory = {_FIRST: first, _SECOND: second, _DRIFT: drift}
        return State(moved(state.weights, step, self.server_learning_rate), memory, state.names)
