"""Kaplan-Meier curves and log-rank tests, from numbers of deaths and censorings over time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Array = NDArray[np.float64]

Z = 1.959964
"""Half-width of a 95 % interval in standard deviations."""


@dataclass(frozen=True, eq=False)
class Exits:
    """Number of deaths and censorings of a group of patients over time.

    Args:
        times: times (t,) in ascending order.
        deaths: number of deaths at each time (t,).
        censored: number of patients censored at each time (t,).
    """

    times: Array
    deaths: Array
    censored: Array

    @property
    def at_risk(self) -> Array:
        """Number of patients at risk at each time (t,), including those who leave at that time."""
        return np.cumsum((self.deaths + self.censored)[::-1])[::-1]

    def on(self, times: Array) -> "Exits":
        """Return the same counts on other times, which include all of these.

        Args:
            times: times (u,) in ascending order.
        """
        deaths, censored = np.zeros(len(times)), np.zeros(len(times))
        at = np.searchsorted(times, self.times)
        deaths[at], censored[at] = self.deaths, self.censored
        return Exits(times, deaths, censored)


def exits(days: Array, died: Array, least: int = 1) -> Exits:
    """Count deaths and censorings, with at least ``least`` patients at each time.

    If ``least`` is above 1, neighbours in time form blocks and take the median day of their block
    (microaggregation).

    Args:
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
        least: smallest block size; 1 keeps the days. With fewer patients nothing is counted.

    Reference:
        Domingo-Ferrer 2002, doi:10.1109/69.979982 (microaggregation).
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
    """Replace each value by the median of its block of neighbours; the last block takes the rest.

    Args:
        ordered: values (n,) in ascending order.
        least: smallest block size.

    Returns:
        Values (n,), or an empty array if there are fewer than ``least``.

    Example:
        >>> blocks(np.array([1.0, 2.0, 3.0, 4.0, 9.0]), least=2)
        array([1.5, 1.5, 4. , 4. , 4. ])
    """
    if len(ordered) < least:
        return ordered[:0]
    parts = in_blocks(ordered, least)
    return np.concatenate([ordered[:0], *(np.full(len(p), np.median(p)) for p in parts)])


def in_blocks(ordered: NDArray[Any], least: int) -> list[NDArray[Any]]:
    """Split an array into blocks of ``least`` neighbours; the last block takes the rest.

    Args:
        ordered: array (n, ...).
        least: smallest block size; a shorter array stays one block.
    """
    starts = range(0, len(ordered) - least + 1, least)
    return np.split(ordered, list(starts)[1:])


def together(groups: list[Exits]) -> Exits:
    """Return the counts of several groups as those of one.

    Args:
        groups: one or more groups.
    """
    times = np.unique(np.concatenate([g.times for g in groups]))
    each = [g.on(times) for g in groups]
    return Exits(times, sum(g.deaths for g in each), sum(g.censored for g in each))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Curve:
    """Survival curve with a 95 % interval (log-minus-log transform of Greenwood's formula).

    Args:
        times: times (t,).
        alive: probability of survival beyond each time (t,).
        low: lower limit (t,).
        high: upper limit (t,).
    """

    times: Array
    alive: Array
    low: Array
    high: Array

    @property
    def median(self) -> float:
        """First time at which survival is at most one half; infinite if it stays above."""
        below = np.flatnonzero(self.alive <= 0.5)
        return float(self.times[below[0]]) if len(below) else float("inf")


def kaplan_meier(group: Exits) -> Curve:
    """Estimate survival: the product over times of 1 - deaths / at risk.

    Args:
        group: counts of one group.

    Reference:
        Kaplan and Meier 1958.

    Example:
        >>> days, died = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
        >>> kaplan_meier(exits(days, died)).alive.round(4)
        array([0.6667, 0.6667, 0.    ])
    """
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
    """Result of a log-rank test; NaN where the groups cannot be compared.

    Args:
        chi2: test statistic.
        freedom: degrees of freedom.
        p: p value.
    """

    chi2: float
    freedom: int
    p: float


def log_rank(groups: list[Exits]) -> LogRank:
    """Test whether all groups have the same hazard.

    The statistic compares observed with expected deaths, with the hypergeometric variance. Empty
    groups are ignored.

    Args:
        groups: counts of each group.

    Reference:
        Mantel 1966.

    Example:
        >>> group = exits(np.array([1.0, 2.0]), np.ones(2))
        >>> log_rank([group, group])
        LogRank(chi2=0.0, freedom=1, p=1.0)
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
