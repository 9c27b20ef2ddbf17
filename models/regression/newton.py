"""Newton's method on a likelihood that is a sum over centres: its maximum is the pooled one."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import FlameError
from flame.models.regression.additive import Additive

Array = NDArray[np.float64]

_MOST_STEPS, _PRECISION, _SHORTEST = 50, 1e-9, 1e-4


@dataclass(frozen=True, eq=False)
class Likelihood(Additive):
    """Log likelihood, its gradient (p,) and its negative Hessian (p, p)."""

    value: float
    gradient: Array
    information: Array


@dataclass(frozen=True, eq=False)
class Penalty:
    """``weight`` (p,) times half the squares of how far coefficients are from ``prior`` (p,)."""

    weight: Array
    prior: Array

    def taken_from(self, at: Likelihood, beta: Array) -> Likelihood:
        """The likelihood at ``beta`` less this penalty."""
        away = beta - self.prior
        return Likelihood(
            at.value - float(self.weight @ away**2) / 2,
            at.gradient - self.weight * away,
            at.information + np.diag(self.weight),
        )


def maximise(
    likelihoods: Callable[[dict[int, Array]], list[Likelihood]], penalties: list[Penalty]
) -> tuple[list[Array], int]:
    """Coefficients (p,) of the highest penalised likelihood of each problem, climbed together.

    ``likelihoods`` is given coefficients by number of the problem, for those not done yet, and
    answers in their order. Returns also how often it was asked. Raises FlameError where a problem
    has no finite maximum.
    """
    climbs = {i: _climb(penalty) for i, penalty in enumerate(penalties)}
    at, best, asked = {i: next(climb) for i, climb in climbs.items()}, dict[int, Array](), 0
    while at:
        answers, asked = dict(zip(at, likelihoods(at), strict=True)), asked + 1
        for i, answer in answers.items():
            try:
                at[i] = climbs[i].send(answer)
            except StopIteration as done:
                best[i] = done.value
                del at[i]
    return [best[i] for i in range(len(penalties))], asked


def _climb(penalty: Penalty) -> Generator[Array, Likelihood, Array]:
    """Yields coefficients, is sent the likelihood there; a step that overshoots is halved."""
    beta, length = penalty.prior, 1.0
    at = penalty.taken_from((yield beta), beta)
    for _ in range(_MOST_STEPS):
        try:
            step = length * np.linalg.solve(at.information, at.gradient)
        except np.linalg.LinAlgError:
            break
        if np.abs(step).max(initial=0) < _PRECISION:
            return beta + step
        ahead = penalty.taken_from((yield beta + step), beta + step)
        if np.isfinite(ahead.value) and ahead.value >= at.value - 1e-9 * (1 + abs(at.value)):
            beta, at, length = beta + step, ahead, 1.0
        else:
            length /= 2
        if length < _SHORTEST:
            break
    raise FlameError(
        "no finite coefficients fit best: features tell the outcome apart or repeat each other; "
        "use fewer, or a larger penalty"
    )
