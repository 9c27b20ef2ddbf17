"""Newton's method on a likelihood that is a sum over centres: its maximum is the pooled one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import FlameError
from flame.models.additive import Additive

Array = NDArray[np.float64]

_MOST_STEPS, _PRECISION, _SHORTEST = 50, 1e-9, 1e-4


@dataclass(frozen=True, eq=False)
class Likelihood(Additive):
    """Log likelihood, its gradient (p,) and its negative Hessian (p, p)."""

    value: float
    gradient: Array
    information: Array

    def penalised(self, beta: Array, penalty: Array) -> "Likelihood":
        """Less ``penalty`` (p,) times half the squares of ``beta``."""
        return Likelihood(
            self.value - float(penalty @ beta**2) / 2,
            self.gradient - penalty * beta,
            self.information + np.diag(penalty),
        )


def maximise(likelihood: Callable[[Array], Likelihood], penalty: Array) -> tuple[Array, int]:
    """Coefficients (p,) of the highest penalised likelihood, and how often it was asked for.

    A step that overshoots is halved. Raises FlameError where there is no finite maximum.
    """
    beta, asked, length = np.zeros(len(penalty)), 1, 1.0
    at = likelihood(beta).penalised(beta, penalty)
    while asked < _MOST_STEPS and length > _SHORTEST:
        try:
            step = length * np.linalg.solve(at.information, at.gradient)
        except np.linalg.LinAlgError:
            break
        if np.abs(step).max(initial=0) < _PRECISION:
            return beta + step, asked
        ahead = likelihood(beta + step).penalised(beta + step, penalty)
        asked += 1
        if np.isfinite(ahead.value) and ahead.value >= at.value - 1e-9 * abs(at.value):
            beta, at, length = beta + step, ahead, 1.0
        else:
            length /= 2
    raise FlameError(
        "no finite coefficients fit best: features tell the outcome apart or repeat each other; "
        "use fewer, or a larger penalty"
    )
