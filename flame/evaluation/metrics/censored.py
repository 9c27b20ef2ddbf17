"""Scores of a prediction of survival to a day, where some patients are censored before it.

Patients whose state on that day is known stand for those who are not: each counts with the inverse
of the probability of not being censored until then (IPCW), by the Kaplan-Meier estimate of
censoring.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def uncensored(days: Array, died: Array, at: Array) -> Array:
    """Estimate the probability of not being censored before a time, G(t-), by Kaplan-Meier.

    Args:
        days: days (n,) of survival or follow-up.
        died: 1 for death, 0 for censoring (n,).
        at: times (m,) in days.

    Returns:
        Probabilities (m,). A patient who dies on the day of another's censoring was there before.

    Example:
        One of four is censored on day 2, when three are at risk: 2/3 remain after it.

        >>> days, died = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.0, 1.0, 1.0])
        >>> uncensored(days, died, np.array([2.0, 3.0])).round(3).tolist()
        [1.0, 0.667]
    """
    times = np.unique(days[died < 0.5])
    if not len(times):
        return np.ones(len(at))
    deaths_then = ((days[None] == times[:, None]) & (died > 0.5)).sum(axis=1)
    at_risk = (days[None] >= times[:, None]).sum(axis=1) - deaths_then
    censored = ((days[None] == times[:, None]) & (died < 0.5)).sum(axis=1)
    remaining = np.concatenate([[1.0], np.cumprod(1 - censored / at_risk)])
    return np.asarray(remaining[np.searchsorted(times, at, side="left")])


def weights(days: Array, died: Array, horizon: float) -> Array:
    """Compute the IPCW weight of each patient for the state on a day.

    Args:
        days: days (n,) of survival or follow-up.
        died: 1 for death, 0 for censoring (n,).
        horizon: the day.

    Returns:
        Weights (n,): 1 / G(day of death -) for those who died by then, 1 / G(horizon) for those
        who lived on, and 0 for those who were censored before.
    """
    dead = (days <= horizon) & (died > 0.5)
    alive = days > horizon
    after = np.nextafter(horizon, np.inf)
    known = np.where(dead, days, after)
    chance = uncensored(days, died, known)
    with np.errstate(divide="ignore"):
        return np.where(dead | alive, 1 / chance, 0.0)


def is_followed(days: Array, died: Array, horizon: float) -> bool:
    """Check whether survival is known up to a day: somebody lives beyond it, or all died before.

    Args:
        days: days (n,) of survival or follow-up.
        died: 1 for death, 0 for censoring (n,).
        horizon: the day.

    Returns:
        False if the last patients were censored before that day, or there are none.
    """
    if not len(days):
        return False
    return bool(days.max() >= horizon or died[days == days.max()].min() > 0.5)


def brier(days: Array, died: Array, alive: Array, horizon: float) -> float:
    """Compute the Brier score of the predicted probability of survival beyond a day.

    Args:
        days: days (n,) of survival or follow-up.
        died: 1 for death, 0 for censoring (n,).
        alive: predicted probability (n,) of survival beyond ``horizon``.
        horizon: the day.

    Returns:
        The score, lower is better; NaN if patients were not followed until then.

    Reference:
        Graf 1999, doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.
    """
    w = weights(days, died, horizon)
    if not is_followed(days, died, horizon) or not np.isfinite(w).all():
        return float("nan")
    return float((w * ((days > horizon) - alive) ** 2).sum() / len(days))


def auc(days: Array, died: Array, score: Array, horizon: float) -> float:
    """Compute the cumulative/dynamic AUC at a day: who lives beyond it against who has died.

    Args:
        days: days (n,) of survival or follow-up.
        died: 1 for death, 0 for censoring (n,).
        score: prediction (n,), higher for longer survival.
        horizon: the day.

    Returns:
        The AUC; NaN where nobody died by then or nobody lived on.

    Reference:
        Uno 2007, doi:10.1198/016214507000000149.
    """
    w = weights(days, died, horizon)
    dead = (days <= horizon) & (died > 0.5)
    alive = days > horizon
    if not dead.any() or not alive.any() or not np.isfinite(w).all():
        return float("nan")
    lived, lost = score[alive], score[dead]
    wins = (lived[:, None] > lost[None]) + 0.5 * (lived[:, None] == lost[None])
    return float((wins.mean(axis=0) * w[dead]).sum() / w[dead].sum())


def integrated_brier(days: Array, died: Array, curves: Array, at: Array) -> float:
    """Average the Brier score over time by the trapezoidal rule.

    Args:
        days: days (n,) of survival or follow-up.
        died: 1 for death, 0 for censoring (n,).
        curves: predicted probabilities (n, t) of survival beyond each of ``at``.
        at: days (t,) in ascending order, at least two.

    Returns:
        The score, lower is better; NaN where one of the scores is.
    """
    scores = [brier(days, died, curves[:, n], day) for n, day in enumerate(at)]
    return float(np.trapezoid(scores, at) / (at[-1] - at[0]))


def restricted_mean(days: Array, died: Array, horizon: float) -> float:
    """Compute the restricted mean survival time: the area below Kaplan-Meier's curve.

    Args:
        days: days (n,) of survival or follow-up.
        died: 1 for death, 0 for censoring (n,).
        horizon: day until which the curve counts.

    Returns:
        Days; NaN if the curve is not known until then.
    """
    if not is_followed(days, died, horizon):
        return float("nan")
    times = np.unique(days[(died > 0.5) & (days < horizon)])
    at_risk = (days[None] >= times[:, None]).sum(axis=1)
    deaths = ((days[None] == times[:, None]) & (died > 0.5)).sum(axis=1)
    alive = np.concatenate([[1.0], np.cumprod(1 - deaths / at_risk)])
    ends = np.concatenate([[0.0], times, [horizon]])
    return float((alive * np.diff(ends)).sum())
