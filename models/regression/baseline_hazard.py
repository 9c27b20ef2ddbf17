"""Baseline hazard of a Cox model, constant within months, from sums over patients.

The cumulative baseline hazard turns log risks into survival curves. Within a month the hazard is
the number of deaths over the sum of exp(log risk) times days at risk: the estimate of Breslow 1974,
with times rounded to months.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.models.regression.additive import Additive
from flame.models.regression.survival_curves import few_of_either

Array = NDArray[np.float64]

MONTH = 365.25 / 12
"""Length of an interval in days."""
MONTHS = 128
"""Number of intervals, a power of two; the last one has no end."""


@dataclass(frozen=True, eq=False)
class Hazard(Additive):
    """Sums by month; those of centres add up.

    Args:
        deaths: deaths (..., ``MONTHS``).
        exposure: sums of exp(log risk) times days at risk (..., ``MONTHS``).
    """

    deaths: Array
    exposure: Array

    def cumulative(self, days: Array) -> Array:
        """Compute the cumulative baseline hazard.

        Args:
            days: days (t,) from the start of follow-up.

        Returns:
            Cumulative hazard (..., t). It is 0 where nobody is at risk.
        """
        rate = np.divide(self.deaths, self.exposure, np.zeros_like(self.deaths), where=self.seen)
        return np.asarray(rate @ _days_by_month(days).T)

    def summed(self) -> "Hazard":
        """Add the sums of all centres (c, ``MONTHS``)."""
        return Hazard(self.deaths.sum(axis=0), self.exposure.sum(axis=0))

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether somebody is at risk in each month (..., ``MONTHS``)."""
        return self.exposure > 0


def hazard_sums(
    log_risk: Array, days: Array, died: Array, least: int = 1, entered: Array | None = None
) -> Hazard:
    """Sum deaths and exposure by month, with at least ``least`` deaths behind each number.

    The months are halved as long as both halves have ``least`` deaths; within a part that is not
    halved further, deaths and exposure are spread evenly. That a part is not halved shows only that
    one half has fewer.

    Args:
        log_risk: log risk (n,) of each patient.
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
        least: least number of deaths.
        entered: day (n,) after which each patient is at risk; None: all from the start.

    Returns:
        Sums by month, up to the last month in which ``least`` patients are at risk; zeros if fewer
        than ``least`` patients died then, or lived on, unless it is nobody.

    Example:
        One of two patients died after 10 days, the other lives after 20: 1 death in 30 days.

        >>> sums = hazard_sums(np.zeros(2), np.array([10.0, 20.0]), np.array([1.0, 0.0]))
        >>> float(sums.cumulative(np.array([15.0]))[0].round(6))
        0.5
    """
    shared = Hazard(np.zeros(MONTHS), np.zeros(MONTHS))
    if len(days) < least:
        return shared
    month = np.minimum(days // MONTH, MONTHS - 1).astype(int)
    # Where few are left, their follow-up would show, and one of them would be the hazard of all.
    end = int(np.sort(month)[-least]) + 1
    dead = (died > 0.5) & (month < end)
    if few_of_either(dead, least):
        return shared
    observed = _days_by_month(days) - (0 if entered is None else _days_by_month(entered))
    exposure = np.exp(log_risk) @ observed
    deaths = np.bincount(month, dead, MONTHS).astype(float)
    for first, last in _parts(deaths[:end], 0, least):
        shared.deaths[first:last] = deaths[first:last].mean()
        shared.exposure[first:last] = exposure[first:last].mean()
    return shared


def _parts(deaths: Array, start: int, least: int) -> list[tuple[int, int]]:
    """Return the first month of each part, and the one after its last."""
    half = len(deaths) // 2
    if half and min(deaths[:half].sum(), deaths[half:].sum()) >= least:
        return _parts(deaths[:half], start, least) + _parts(deaths[half:], start + half, least)
    return [(start, start + len(deaths))]


def _days_by_month(days: Array) -> Array:
    """Return the days (n, ``MONTHS``) that lie in each month, up to each of ``days`` (n,)."""
    begin = MONTH * np.arange(MONTHS)
    length = np.append(np.full(MONTHS - 1, MONTH), np.inf)
    return np.clip(days[:, None] - begin, 0, length)
