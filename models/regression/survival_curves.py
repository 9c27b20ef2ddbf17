"""Kaplan-Meier curves and log-rank tests, from numbers of deaths and censorings over time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

Array = NDArray[np.float64]

_ROUNDING = 1e-9
"""Largest rounding error of a product of shares; 12 of 24 alive may be 0.5 and a little."""
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
        """Number of patients at risk at each time (t,), including exits at that time."""
        return np.cumsum((self.deaths + self.censored)[::-1])[::-1]

    def on(self, times: Array) -> "Exits":
        """Place the counts on a finer grid of times.

        Args:
            times: times (u,) in ascending order, which include all times of this group.

        Returns:
            Counts at each of ``times``; 0 where this group has no exit.
        """
        deaths = np.zeros(len(times))
        censored = np.zeros(len(times))
        at = np.searchsorted(times, self.times)
        deaths[at] = self.deaths
        censored[at] = self.censored
        return Exits(times, deaths, censored)


def exits(days: Array, died: Array, least: int = 1) -> Exits:
    """Count deaths and censorings, with at least ``least`` patients at each time.

    If ``least`` is above 1, neighbours in time who died form blocks, and so do those who did not.
    The mean day of a block replaces its days (microaggregation).

    Args:
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
        least: smallest block size; 1 keeps the days.

    Returns:
        Counts at each time. They are empty if fewer than ``least`` patients died, or were censored,
        unless it is nobody.

    Reference:
        Domingo-Ferrer 2002, doi:10.1109/69.979982 (microaggregation).
    """
    return Exits(*counted(days, died > 0.5, least))


def counted(values: Array, yes: NDArray[np.bool_], least: int) -> tuple[Array, Array, Array]:
    """Count those with and without an outcome at each value, each class in blocks of its own.

    Args:
        values: values (n,).
        yes: whether each has the outcome (n,).
        least: smallest block size.

    Returns:
        Distinct values of the blocks (v,) in ascending order, and the counts with (v,) and without
        (v,) the outcome; empty if ``few_of_either``.
    """
    if few_of_either(yes, least):
        values, yes = values[:0], yes[:0]
    shared = np.empty(len(values))
    for group in (yes, ~yes):
        shared[group] = blocks(values[group], least)
    distinct, place = np.unique(shared, return_inverse=True)
    with_it, without = (
        np.bincount(place, group.astype(float), len(distinct)) for group in (yes, ~yes)
    )
    return distinct, np.asarray(with_it, np.float64), np.asarray(without, np.float64)


def few_of_either(yes: NDArray[np.bool_], least: int) -> bool:
    """Check whether some, but fewer than ``least``, have an outcome, or do not have it.

    Args:
        yes: whether each has the outcome (n,).
        least: smallest number.

    Returns:
        True if so.
    """
    return any(0 < group.sum() < least for group in (yes, ~yes))


def blocks(values: Array, least: int) -> Array:
    """Replace each value by the mean of its block of neighbours in size.

    A mean is the value of none of its members, unless these are all equal. If each value occurs
    ``least`` times or more, values are returned unchanged.

    Args:
        values: values (n,).
        least: smallest block size; the last block includes the remainder.

    Returns:
        Values (n,), in the same order.

    Example:
        >>> blocks(np.array([9.0, 1.0, 2.0, 3.0, 4.0]), least=2)
        array([5.33333333, 1.5       , 1.5       , 5.33333333, 5.33333333])
    """
    if least == 1 or all_common(values, least):
        return values
    order = np.argsort(values, kind="stable")
    shared = np.empty(len(values))
    for members in in_blocks(order, least):
        shared[members] = values[members].mean()
    return shared


def all_common(values: Array, least: int) -> bool:
    """Check whether each value occurs at least ``least`` times.

    Args:
        values: values (n,).
        least: smallest number of times.

    Returns:
        True if it does, and for no values.
    """
    return bool((np.unique(values, return_counts=True)[1] >= least).all())


def in_blocks(ordered: NDArray[Any], least: int) -> list[NDArray[Any]]:
    """Split an array into blocks of ``least`` neighbours; the last block includes the remainder.

    Args:
        ordered: array (n, ...).
        least: smallest block size.

    Returns:
        Blocks in order; one block for an array of fewer than 2 ``least`` elements.
    """
    starts = range(0, len(ordered) - least + 1, least)
    return np.split(ordered, list(starts)[1:])


def together(groups: list[Exits]) -> Exits:
    """Add the counts of several groups.

    Args:
        groups: one or more groups.

    Returns:
        Counts of all patients at the times of all groups.
    """
    times = np.unique(np.concatenate([g.times for g in groups]))
    aligned = [g.on(times) for g in groups]
    deaths: Any = sum(g.deaths for g in aligned)
    censored: Any = sum(g.censored for g in aligned)
    return Exits(times, deaths, censored)


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
        return self._falls_to_half(self.alive)

    @property
    def median_interval(self) -> tuple[float, float]:
        """The 95 % interval of the median, where the limits of the curve fall to one half.

        Reference:
            Brookmeyer and Crowley 1982, doi:10.2307/2530286.
        """
        return self._falls_to_half(self.low), self._falls_to_half(self.high)

    def _falls_to_half(self, curve: Array) -> float:
        below = np.flatnonzero(curve <= 0.5 + _ROUNDING)
        return float(self.times[below[0]]) if len(below) else float("inf")


def kaplan_meier(group: Exits) -> Curve:
    """Estimate survival: the product over times of 1 - deaths / at risk.

    Args:
        group: counts of one group.

    Returns:
        Survival at each time of the group, with its 95 % interval.

    Reference:
        Kaplan and Meier 1958.

    Example:
        >>> days, died = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
        >>> kaplan_meier(exits(days, died)).alive.round(4)
        array([0.6667, 0.6667, 0.    ])
    """
    n = group.at_risk
    d = group.deaths
    alive = np.asarray(np.cumprod(1 - d / n), np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(d / (n * (n - d)))) / np.log(alive)
        low = np.exp(np.log(alive) * np.exp(-Z * spread))
        high = np.exp(np.log(alive) * np.exp(Z * spread))
    # The transform is undefined at 0 and 1, where the interval is a point.
    defined = (alive > 0) & (alive < 1)
    low = np.where(defined, low, alive)
    high = np.where(defined, high, alive)
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

    The statistic compares observed with expected deaths, with the hypergeometric variance.

    Args:
        groups: counts of each group; empty groups are ignored.

    Returns:
        Test statistic, degrees of freedom and p value.

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
    aligned = [g.on(times) for g in groups]
    at_risk = np.array([g.at_risk for g in aligned])
    deaths = np.array([g.deaths for g in aligned])
    total_at_risk = at_risk.sum(axis=0)
    total_deaths = deaths.sum(axis=0)
    share = at_risk / total_at_risk
    excess = (deaths - total_deaths * share).sum(axis=1)[:-1]
    survivors = total_at_risk - total_deaths
    tied = np.where(
        total_at_risk > 1, total_deaths * survivors / np.maximum(total_at_risk - 1, 1), 0.0
    )
    variance = np.diag((share * tied).sum(axis=1)) - (share * tied) @ share.T
    variance = variance[:-1, :-1]
    freedom = len(groups) - 1
    if freedom < 1 or np.linalg.matrix_rank(variance) < freedom:
        return LogRank(float("nan"), freedom, float("nan"))
    value = float(excess @ np.linalg.solve(variance, excess))
    return LogRank(value, freedom, float(chdtrc(freedom, value)))
