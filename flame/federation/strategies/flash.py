"""FLASH (Panchal 2023, proceedings.mlr.press/v202/panchal23a): a server that feels drift."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from flame.core.arrays import moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, mean_change

_FIRST, _SECOND, _DRIFT = "first", "second", "drift"


@STRATEGIES.register("flash")
@dataclass(frozen=True)
class FLASH(Strategy):
    """FedAdam whose steps grow while changes are larger than they were.

    The step is ``server_learning_rate`` m / (sqrt(v) - d + ``tau``). d is a running mean of squared
    change minus v, of which as much is kept as v is large beside it; at most what leaves the
    divisor at ``tau``.
    With ``drift`` False d is 0: FedAdam.
    """

    mean_suffices = True
    server_learning_rate: Annotated[float, Gt(0)] = 0.03
    tau: Annotated[float, Gt(0)] = 1e-3
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    beta_2: Annotated[float, Ge(0), Lt(1)] = 0.99
    drift: bool = True

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """One step of the server's optimiser, whose gradient is the mean change."""
        change = mean_change(state, updates)
        zeros = [np.zeros(c.shape) for c in change]
        memory = state.memory or {
            _FIRST: zeros,
            _SECOND: [z + self.tau**2 for z in zeros],
            _DRIFT: zeros,
        }
        first, second, drift, step = [], [], [], []
        for m, v, d, c in zip(*(memory[k] for k in (_FIRST, _SECOND, _DRIFT)), change, strict=True):
            first.append(self.momentum * m + (1 - self.momentum) * c)
            second.append(self.beta_2 * v + (1 - self.beta_2) * c**2)
            over = c**2 - second[-1]
            total = np.abs(over) + np.abs(v)
            kept = np.abs(v) / np.where(total > 0, total, 1)
            drift.append(kept * d + (1 - kept) * over if self.drift else d)
            root = np.sqrt(second[-1])
            step.append(first[-1] / (np.maximum(root - drift[-1], 0) + self.tau))
        memory = {_FIRST: first, _SECOND: second, _DRIFT: drift}
        return State(moved(state.weights, step, self.server_learning_rate), memory, state.names)
