"""Newton's method on a likelihood that is a sum over centres, with the maximum of pooled data."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import FlameError
from flame.models.regression.additive import Additive

Array = NDArray[np.float64]

MOST_STEPS = 25
"""Largest number of steps."""
_PRECISION = 1e-9
"""Largest change of a coefficient at convergence."""
_SHORTEST = 1e-4
"""Shortest length of a halved step, relative to a full Newton step."""


@dataclass(frozen=True, eq=False)
class Likelihood(Additive):
    """Log likelihood at some coefficients, with its derivatives.

    Args:
        value: log likelihood.
        gradient: gradient (p,).
        information: negative Hessian (p, p).
    """

    value: float
    gradient: Array
    information: Array


@dataclass(frozen=True, eq=False)
class Penalty:
    """Ridge penalty: the sum of weight (beta - prior)^2 / 2 over coefficients.

    Args:
        weight: weight (p,) of each coefficient; 0: no penalty.
        prior: value (p,) towards which each coefficient is shrunk; the search starts there.
    """

    weight: Array
    prior: Array

    def taken_from(self, at: Likelihood, beta: Array) -> Likelihood:
        """Subtract this penalty from a log likelihood.

        Args:
            at: likelihood at ``beta``.
            beta: coefficients (p,).

        Returns:
            Penalised log likelihood with its gradient (p,) and negative Hessian (p, p).
        """
        deviation = beta - self.prior
        return Likelihood(
            at.value - float(self.weight @ deviation**2) / 2,
            at.gradient - self.weight * deviation,
            at.information + np.diag(self.weight),
        )


def maximise(
    likelihoods: Callable[[dict[int, Array]], list[Likelihood | None]],
    penalties: list[Penalty],
    all_finite: bool = True,
) -> tuple[list[Array | None], int]:
    """Maximise the penalised likelihoods of several problems together.

    Args:
        likelihoods: function of the coefficients (p,) by index of the problem, for unfinished
            problems only. It returns the likelihood of each of them, in the same order, or None to
            abandon a problem.
        penalties: penalty of each problem.
        all_finite: whether a problem without a finite maximum is an error; else it is abandoned.

    Returns:
        Coefficients (p,) of each problem (None: abandoned), and the number of calls of
        ``likelihoods``.

    Raises:
        FlameError: a problem has no finite maximum, if ``all_finite``.

    Example:
        >>> def parabolas(at):  # log likelihood -(beta - 2)^2 / 2, less a constant
        ...     return [Likelihood(2 * b[0] - b[0] ** 2 / 2, 2 - b, np.eye(1)) for b in at.values()]
        >>> maximise(parabolas, [Penalty(np.zeros(1), np.zeros(1))])[0]
        [array([2.])]
    """
    climbs = {i: _climb(penalty) for i, penalty in enumerate(penalties)}
    at = {i: next(climb) for i, climb in climbs.items()}
    best: dict[int, Array | None] = {}
    calls = 0
    while at:
        replies = dict(zip(at, likelihoods(at), strict=True))
        calls += 1
        for i, likelihood in replies.items():
            try:
                if likelihood is None:
                    raise StopIteration(None)
                at[i] = climbs[i].send(likelihood)
            except StopIteration as finished:
                best[i] = finished.value
                del at[i]
            except FlameError:
                if all_finite:
                    raise
                best[i] = None
                del at[i]
    return [best[i] for i in range(len(penalties))], calls


def _climb(penalty: Penalty) -> Generator[Array, Likelihood, Array]:
    """Yield coefficients and receive their likelihood; halve a step that overshoots."""
    beta = penalty.prior
    length = 1.0
    at = penalty.taken_from((yield beta), beta)
    for _ in range(MOST_STEPS):
        try:
            step = length * np.linalg.solve(at.information, at.gradient)
        except np.linalg.LinAlgError:
            break
        if np.abs(step).max(initial=0) < _PRECISION:
            return beta + step
        ahead = penalty.taken_from((yield beta + step), beta + step)
        if np.isfinite(ahead.value) and ahead.value >= at.value - 1e-9 * (1 + abs(at.value)):
            beta = beta + step
            at = ahead
            length = 1.0
        else:
            length /= 2
        if length < _SHORTEST:
            break
    raise FlameError(
        "the likelihood has no finite maximum: features separate the outcomes or are collinear; "
        "use fewer features or a larger penalty"
    )
