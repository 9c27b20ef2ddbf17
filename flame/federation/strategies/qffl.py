"""q-FFL, fair federated learning (Li 2020, arXiv:1905.10497)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from flame.core.arrays import moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change


@STRATEGIES.register("qffl")
@dataclass(frozen=True)
class Qffl(Strategy):
    """Sites that do badly count more: changes are weighed by their loss to the power ``q``.

    The loss is that of local training. ``lipschitz`` is 1 over the local learning rate.
    """

    q: Annotated[float, Ge(0)] = 1.0
    lipschitz: Annotated[float, Gt(0)] = 1.0

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """With q = 0 the plain mean of the sites."""
        total, curvature = [np.zeros(w.shape) for w in state.weights], 0.0
        for update in updates:
            loss = max(update.loss, 1e-10)
            step = [self.lipschitz * c for c in change(state, update)]
            size = float(sum((s**2).sum() for s in step))
            total = moved(total, step, loss**self.q)
            curvature += self.q * loss ** (self.q - 1) * size + self.lipschitz * loss**self.q
        return State(moved(state.weights, total, 1 / curvature), state.memory, state.names)
