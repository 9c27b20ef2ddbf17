"""q-FFL, fair federated learning (Li 2020, arXiv:1905.10497)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from flame.core.arrays import moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change

_LEAST_LOSS = 1e-10
"""Lower losses count as this loss, because a loss of 0 has no negative power."""


@STRATEGIES.register("qffl")
@dataclass(frozen=True)
class Qffl(Strategy):
    """Fair federated learning: sites with a higher loss have more weight.

    w <- w + sum_k F_k^q L d_k / sum_k (q F_k^(q-1) |L d_k|^2 + L F_k^q), where F_k is the training
    loss of site k and d_k the change of its weights.

    Args:
        q: exponent of the loss; 0 is the mean of the sites, all with the same weight.
        lipschitz: L of the paper, 1 over the learning rate of the sites.

    Reference:
        Li 2020, arXiv:1905.10497.

    Example:
        (1 * 1 + 3 * 2) / (1 + 1 + 4 + 3) = 7 / 9.

        >>> updates = [
        ...     Update("a", [np.array([1.0])], patients=1, loss=1.0, seconds=0.0),
        ...     Update("b", [np.array([2.0])], patients=1, loss=3.0, seconds=0.0),
        ... ]
        >>> Qffl(q=1).aggregate(State([np.zeros(1)]), updates).weights[0].round(2)
        array([0.78])
    """

    q: Annotated[float, Ge(0)] = 1.0
    lipschitz: Annotated[float, Gt(0)] = 1.0

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average the changes by loss; losses below 1e-10 count as 1e-10."""
        total = [np.zeros(w.shape) for w in state.weights]
        curvature = 0.0
        for update in updates:
            loss = max(update.loss, _LEAST_LOSS)
            step = [self.lipschitz * c for c in change(state, update)]
            square = float(sum((s**2).sum() for s in step))
            total = moved(total, step, loss**self.q)
            curvature += self.q * loss ** (self.q - 1) * square + self.lipschitz * loss**self.q
        return State(moved(state.weights, total, 1 / curvature), state.memory, state.names)
