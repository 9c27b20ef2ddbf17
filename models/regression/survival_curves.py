"""Kaplan-Meier curves and log-rank tests from counts of deaths and censorings at times."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Array = NDArray[np.float64]

Z = 1.959964
"""Standard deviations to either side of a 95 % interval."""


@dataclass(frozen=True, eq=False)
class Exits:
    """Deaths and censorings (t,) at ascending ``times`` (t,) of a group of patients."""

    times: Array
    deaths: Array
    censored: Array

    @property
    def at_risk(self) -> Array:
        """Patients at risk at each time, those who leave then included."""
        return np.cumsum((self.deaths + self.censored)[::-1])[::-1]

    def on(self, times: Array) -> "Exits":
        """The same counts on ``times``, among which are all of these."""
        deaths, censored = np.zeros(len(times)), np.zeros(len(times))
        at = np.searchsorted(times, self.times)
        deaths[at], censored[at] = self.deaths, self.censored
        return Exits(times, deaths, censored)


def exits(days: Array, died: Array, least: int = 1) -> Exits:
    """Counts of patients, each time shared by at least ``least`` of them.

    With more than one, patients are put in blocks of neighbours in time and take the median day of
    their block (microaggregation, Domingo-Ferrer 2002, doi:10.1109/69.979982). Fewer patients than
    ``least`` count for nothing.
    """
    if len(days) < least:
        days, died = days[:0], died[:0]
    order = np.argsort(days, kind="stable")
    shared = blocks(days[order], least)
    times, place = np.unique(shared, return_inverse=True)
    dead = died[order] > 0.5
    each = (np.bincount(place, who.astype(float), len(times)) for who in (dead, ~dead))
    counts = [np.asarray(c, np.float64) for c in each]
    return Exits(times, *counts)


def blocks(ordered: Array, least: int) -> Array:
    """Each value as the median of its block of neighbours; the last block takes what is left.

    Nothing where there are fewer than ``least``.
    """
    if len(ordered) < least:
        return ordered[:0]
    parts = in_blocks(ordered, least)
    return np.concatenate([ordered[:0], *(np.full(len(p), np.median(p)) for p in parts)])


def in_blocks(ordered: NDArray[Any], least: int) -> list[NDArray[Any]]:
    """Neighbours together, at least ``least`` of them where there are so many."""
    starts = range(0, len(ordered) - least + 1, least)
    return np.split(ordered, list(starts)[1:])


def together(groups: list[Exits]) -> Exits:
    """All groups as one."""
    times = np.unique(np.concatenate([g.times for g in groups]))
    each = [g.on(times) for g in groups]
    return Exits(times, sum(g.deaths for g in each), sum(g.censored for g in each))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Curve:
    """Share alive (t,) after each time, with a 95 % interval (log-minus-log Greenwood)."""

    times: Array
    alive: Array
    low: Array
    high: Array

    @property
    def median(self) -> float:
        """First time at which half are dead; infinite where that is never seen."""
        below = np.flatnonzero(self.alive <= 0.5)
        return float(self.times[below[0]]) if len(below) else float("inf")


def kaplan_meier(group: Exits) -> Curve:
    """Kaplan and Meier 1958."""
    n, d = group.at_risk, group.deaths
    alive = np.asarray(np.cumprod(1 - d / n), np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(d / (n * (n - d)))) / np.log(alive)
        low, high = (np.exp(np.log(alive) * np.exp(s * Z * spread)) for s in (-1, 1))
    known = (alive > 0) & (alive < 1)
    low, high = (np.where(known, bound, alive) for bound in (low, high))
    return Curve(group.times, alive, np.minimum(low, high), np.maximum(low, high))


@dataclass(frozen=True)
class LogRank:
    """Chi-squared with ``freedom`` degrees, and its p; NaN where groups cannot be compared."""

    chi2: float
    freedom: int
    p: float


def log_rank(groups: list[Exits]) -> LogRank:
    """Whether groups have one hazard (Mantel 1966), by the hypergeometric variance.

    Groups of nobody are left out.
    """
    groups = [g for g in groups if len(g.times)]
    if len(groups) < 2:
        return LogRank(float("nan"), max(len(groups) - 1, 0), float("nan"))
    times = np.unique(np.concatenate([g.times for g in groups]))
    each = [g.on(times) for g in groups]
    n, d = (np.array([getattr(g, name) for g in each]) for name in ("at_risk", "deaths"))
    total, dead = n.sum(axis=0), d.sum(axis=0)
    share = n / total
    gap = (d - dead * share).sum(axis=1)[:-1]
    tied = np.where(total > 1, dead * (total - dead) / np.maximum(total - 1, 1), 0.0)
    variance = np.diag((share * tied).sum(axis=1)) - (share * tied) @ share.T
    variance = variance[:-1, :-1]
    freedom = len(groups) - 1
    if freedom < 1 or np.linalg.matrix_rank(variance) < freedom:
        return LogRank(float("nan"), freedom, float("nan"))
    value = float(gap @ np.linalg.solve(variance, gap))
    return LogRank(value, freedom, float(chi2.sf(value, freedom)))
