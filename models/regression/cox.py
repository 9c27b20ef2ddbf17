"""Cox proportional hazards from sums over patients, with Efron's method for ties.

Stratified by centre, the log partial likelihood of all patients is the sum of those of the centres.
Without strata, all patients share one risk set, so the sums at each time of death are added.

A patient who came under observation later than day 0 is at risk from then (left truncation).

Reference:
    Cox 1972 (proportional hazards); Efron 1977 (ties).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.models.regression.additive import Additive
from flame.models.regression.newton import Likelihood

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Powers(Additive):
    """Sums over patients at t times, with weights w = exp(x beta).

    Args:
        zeroth: sum of w (t,).
        first: sum of x w (t, p).
        second: sum of x x' w (t, p, p).
    """

    zeroth: Array
    first: Array
    second: Array


@dataclass(frozen=True, eq=False)
class RiskSums(Additive):
    """Sums over patients that the partial likelihood needs, at t times.

    Args:
        deaths: number of deaths (t,).
        at_risk: sums over the patients at risk.
        dying: sums over the patients who die at each time.
        covariates: sum of x (p,) over all patients who died.
    """

    deaths: Array
    at_risk: Powers
    dying: Powers
    covariates: Array


def death_times(days: Array, died: Array) -> Array:
    """Find the distinct times of death.

    Args:
        days: last known day (n,) of each patient.
        died: 1 for death, 0 for censoring (n,).

    Returns:
        Times (t,) in days, in ascending order.

    Example:
        >>> death_times(np.array([5.0, 3.0, 9.0, 3.0]), np.array([1.0, 1.0, 0.0, 1.0]))
        array([3., 5.])
    """
    return np.unique(days[died > 0.5])


def _at_risk(days: Array, entered: Array | None, times: Array) -> Array:
    """Mark with 1 who is at risk (t, n): after the day of entry, up to the last known day."""
    there = days[None] >= times[:, None]
    return (there if entered is None else there & (entered[None] < times[:, None])).astype(float)


def risk_sums(
    x: Array, days: Array, died: Array, beta: Array, times: Array, entered: Array | None = None
) -> RiskSums:
    """Compute the sums over patients at given times; a patient is at risk up to the last known day.

    Args:
        x: covariates (n, p).
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
        beta: coefficients (p,).
        times: times of death (t,) of all centres.
        entered: day (n,) after which each patient is at risk; None: all from the start.

    Returns:
        Sums at each time.
    """
    weight = np.exp(x @ beta)
    first = x * weight[:, None]
    second = x[:, :, None] * first[:, None, :]
    dead = died > 0.5
    at_risk = _at_risk(days, entered, times)
    dying = ((days[None] == times[:, None]) & dead).astype(float)

    def powers(members: Array) -> Powers:
        """Sum over the patients that each row of ``members`` (t, n) marks with 1."""
        return Powers(members @ weight, members @ first, np.tensordot(members, second, axes=1))

    return RiskSums(dying.sum(axis=1), powers(at_risk), powers(dying), x[dead].sum(axis=0))


def stratum(
    x: Array, days: Array, died: Array, beta: Array, entered: Array | None = None
) -> Likelihood:
    """Compute the log partial likelihood of patients who form a separate risk set.

    It equals ``likelihood`` of their sums. It is faster, as it does not sum second powers at each
    time.

    Args:
        x: covariates (n, p).
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
        beta: coefficients (p,).
        entered: day (n,) after which each patient is at risk; None: all from the start.

    Returns:
        Log partial likelihood, gradient (p,) and negative Hessian (p, p) at ``beta``.

    Example:
        >>> x, days, died = np.array([[0.0], [1.0]]), np.array([1.0, 2.0]), np.ones(2)
        >>> at = stratum(x, days, died, np.zeros(1))
        >>> round(at.value, 4), at.gradient, at.information  # log(1/2) + log(1)
        (-0.6931, array([-0.5]), array([[0.25]]))
    """
    times = death_times(days, died)
    weight = np.exp(x @ beta)
    dead = died > 0.5
    at_risk = _at_risk(days, entered, times)
    dying = ((days[None] == times[:, None]) & dead).astype(float)
    counts = dying.sum(axis=1).astype(int)
    term, before = _terms(counts)
    # Each Efron term sums over patients at risk minus a share of those dying.
    zeroth = (at_risk @ weight)[term] - before * (dying @ weight)[term]
    first = (at_risk @ (x * weight[:, None]))[term]
    mean = (first - before[:, None] * (dying @ (x * weight[:, None]))[term]) / zeroth[:, None]
    inverse = np.bincount(term, 1 / zeroth, len(times))
    reduced = np.bincount(term, before / zeroth, len(times))
    counted = weight * (inverse @ at_risk - reduced @ dying)
    covariates = x[dead].sum(axis=0)
    return Likelihood(
        float(covariates @ beta - np.log(zeroth).sum()),
        covariates - mean.sum(axis=0),
        x.T @ (x * counted[:, None]) - mean.T @ mean,
    )


def _terms(deaths: NDArray[np.intp]) -> tuple[NDArray[np.intp], Array]:
    """Return Efron's terms: the time of each death, and the share of tied deaths before it."""
    before = np.concatenate([np.zeros(0), *(np.arange(d) / d for d in deaths)])
    return np.repeat(np.arange(len(deaths)), deaths), before


def likelihood(sums: RiskSums, beta: Array) -> Likelihood:
    """Compute the log partial likelihood of all patients, who share one risk set.

    With Efron's method, the k-th of d tied deaths (k from 0) has this denominator: the sum over
    patients at risk minus k/d times the sum over dying patients.

    Args:
        sums: sums over the patients of all centres, at the same times.
        beta: coefficients (p,) at which the sums were computed.

    Returns:
        Log partial likelihood, gradient (p,) and negative Hessian (p, p) at ``beta``.

    Example:
        >>> x, days, died = np.array([[0.0], [1.0]]), np.array([1.0, 2.0]), np.ones(2)
        >>> sums = risk_sums(x, days, died, np.zeros(1), death_times(days, died))
        >>> round(likelihood(sums, np.zeros(1)).value, 4)  # log(1/2) + log(1)
        -0.6931
    """
    times, before = _terms(sums.deaths.astype(int))
    risk = sums.at_risk
    tied = sums.dying
    zeroth = risk.zeroth[times] - before * tied.zeroth[times]
    mean = (risk.first[times] - before[:, None] * tied.first[times]) / zeroth[:, None]
    square = risk.second[times] - before[:, None, None] * tied.second[times]
    square /= zeroth[:, None, None]
    return Likelihood(
        float(sums.covariates @ beta - np.log(zeroth).sum()),
        sums.covariates - mean.sum(axis=0),
        square.sum(axis=0) - mean.T @ mean,
    )
