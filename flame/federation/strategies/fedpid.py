"""FedPID (Mächler 2024, arXiv:2411.02152), of the Federated Tumor Segmentation challenges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from flame.core.arrays import mean
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shares

_LOSSES = "losses."
"""Prefix of the first and the last loss of each site in ``State.memory``."""


@STRATEGIES.register("fedpid")
@dataclass(frozen=True)
class FedPID(Strategy):
    """A mean that gives more weight to sites whose loss falls, as a PID controller does.

    The weight of site k is P n_k / n + D d_k / sum(d) + I t_k / sum(t), divided by the sum of all:
    n_k patients, the fall d_k of its loss since the last round, and t_k since the first one. A loss
    that rises counts as a fall of 0, and a term in which no loss has fallen is left out.

    Args:
        proportional: P, the weight of the numbers of patients.
        derivative: D, the weight of the fall since the last round.
        integral: I, the weight of the fall since the first round.

    Reference:
        Mächler 2024, arXiv:2411.02152; weights as in FedPIDAvg, Mächler 2023, arXiv:2304.12117.

    Example:
        Both sites have as many patients; in the second round the loss of a alone falls.

        >>> def update(name: str, value: float, loss: float) -> Update:
        ...     return Update(name, [np.array([value])], patients=5, loss=loss, seconds=0.0)
        >>> pid = FedPID(proportional=0.5, derivative=0.25, integral=0.25)
        >>> first = pid.aggregate(State([np.zeros(1)]), [update("a", 1, 2.0), update("b", 3, 2.0)])
        >>> first.weights[0]
        array([2.])
        >>> pid.aggregate(first, [update("a", 1, 1.0), update("b", 3, 2.0)]).weights[0]
        array([1.5])
    """

    follows_losses = True
    proportional: Annotated[float, Gt(0)] = 0.45
    derivative: Annotated[float, Ge(0)] = 0.45
    integral: Annotated[float, Ge(0)] = 0.1

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average with weights that follow the losses."""
        known = {u.centre: state.memory.get(f"{_LOSSES}{u.centre}") for u in updates}
        before = {name: losses[0] if losses else None for name, losses in known.items()}
        last = [_fall(before[u.centre], -1, u.loss) for u in updates]
        ever = [_fall(before[u.centre], 0, u.loss) for u in updates]
        losses = {f"{_LOSSES}{u.centre}": [_after(before[u.centre], u.loss)] for u in updates}
        weights = self.proportional * np.array(shares(updates))
        weights = weights + self.derivative * _shares(last) + self.integral * _shares(ever)
        parts = [float(w) for w in weights / weights.sum()]
        averaged = mean([u.weights for u in updates], parts, state.weights)
        return State(averaged, {**state.memory, **losses}, state.names)


def _fall(losses: np.ndarray | None, since: int, loss: float) -> float:
    """Return the fall of a loss since the first (0) or the last (-1) round; 0 if there is none."""
    return 0.0 if losses is None else float(losses[since]) - loss


def _after(losses: np.ndarray | None, loss: float) -> np.ndarray:
    """Return the first and the last loss (2,) of a site after a round."""
    return np.array([loss if losses is None else losses[0], loss])


def _shares(falls: Sequence[float]) -> np.ndarray:
    """Return each fall as a share of all (n,); 0 where none has fallen."""
    fallen = np.maximum(np.asarray(falls, np.float64), 0)
    return fallen / fallen.sum() if fallen.sum() > 0 else fallen
