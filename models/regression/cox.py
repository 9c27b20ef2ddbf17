"""Cox proportional hazards from sums over patients (Cox 1972), ties after Efron (1977).

Stratified by centre, the log partial likelihood of all patients is the sum of those of the centres.
Without strata everyone is at risk together: then the sums at each time of death add up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.models.regression.additive import Additive
from flame.models.regression.newton import Likelihood

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Powers(Additive):
    """Sums of exp(x beta) (t,), x exp(x beta) (t, p) and x x' exp(x beta) (t, p, p) at t times."""

    zeroth: Array
    first: Array
    second: Array


@dataclass(frozen=True, eq=False)
class RiskSums(Additive):
    """At each time: ``deaths`` (t,), who is ``at_risk`` and who is ``dying``.

    ``covariates`` (p,) is the sum of x over everyone who died.
    """

    deaths: Array
    at_risk: Powers
    dying: Powers
    covariates: Array


def death_times(days: Array, died: Array) -> Array:
    """Times at which somebody died, ascending."""
    return np.unique(days[died > 0.5])


def risk_sums(x: Array, days: Array, died: Array, beta: Array, times: Array) -> RiskSums:
    """Sums over patients x (n, p) at ``times``; a patient is at risk until ``days``, included."""
    weight = np.exp(x @ beta)
    first = x * weight[:, None]
    second = x[:, :, None] * first[:, None, :]
    dead = died > 0.5
    at_risk = (days[None] >= times[:, None]).astype(float)
    dying = ((days[None] == times[:, None]) & dead).astype(float)

    def powers(chosen: Array) -> Powers:
        return Powers(chosen @ weight, chosen @ first, np.tensordot(chosen, second, axes=1))

    return RiskSums(dying.sum(axis=1), powers(at_risk), powers(dying), x[dead].sum(axis=0))


def stratum(x: Array, days: Array, died: Array, beta: Array) -> Likelihood:
    """The log partial likelihood of patients who are at risk among themselves alone.

    What ``likelihood`` of their sums is, in a fraction of the time: the second powers are not
    summed at each time.
    """
    times = death_times(days, died)
    weight, dead = np.exp(x @ beta), died > 0.5
    at_risk = (days[None] >= times[:, None]).astype(float)
    dying = ((days[None] == times[:, None]) & dead).astype(float)
    counts = dying.sum(axis=1).astype(int)
    term, before = _terms(counts)
    # Who counts how much in each term of Efron's: those at risk, less a share of those dying.
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
    """Efron's terms: the time of each death, the share of those dying then who went first."""
    before = np.concatenate([np.zeros(0), *(np.arange(d) / d for d in deaths)])
    return np.repeat(np.arange(len(deaths)), deaths), before


def likelihood(sums: RiskSums, beta: Array) -> Likelihood:
    """Log partial likelihood from sums over everyone at risk at the same times."""
    times, before = _terms(sums.deaths.astype(int))
    risk, tied = sums.at_risk, sums.dying
    zeroth = risk.zeroth[times] - before * tied.zeroth[times]
    mean = (risk.first[times] - before[:, None] * tied.first[times]) / zeroth[:, None]
    square = risk.second[times] - before[:, None, None] * tied.second[times]
    square /= zeroth[:, None, None]
    return Likelihood(
        float(sums.covariates @ beta - np.log(zeroth).sum()),
        sums.covariates - mean.sum(axis=0),
        square.sum(axis=0) - mean.T @ mean,
    )
