"""Scores of survival to fixed days, in which censored patients are accounted for."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flame.bundles.model import Model
from flame.bundles.predictions import CURVE_DAYS
from flame.evaluation.metrics import censored
from flame.evaluation.metrics.estimates import Estimate, bootstrap, undefined
from flame.models.regression.survival_curves import exits, kaplan_meier
from flame.models.response.inputs import Inputs

Array = NDArray[np.float64]
Row = tuple[str, Estimate, int, int]

YEARS = (1, 2)
"""Years at which survival models are scored."""
_SAMPLES = 300
"""Bootstrap samples."""


def censored_rows(model: Model, inputs: Inputs, mean: Array, curves: Array) -> list[Row]:
    """Score survival to the horizon of a response model, or to one and two years.

    Args:
        model: the model.
        inputs: its n patients.
        mean: predictions (n,).
        curves: survival (n, day) on ``CURVE_DAYS``; empty for response.

    Returns:
        Name of the metric, estimate, patients and deaths of each; none where survival is unknown.
    """
    known = np.flatnonzero(np.isfinite(inputs.survival_days))
    if not len(known):
        return []
    days, died = inputs.survival_days[known], inputs.died[known]
    horizon = _horizon(model)
    if not curves.size:
        return _at(days, died, mean[known], horizon, f"{horizon:g} days") if horizon else []
    rows = []
    for years in YEARS:
        day = 365.25 * years
        alive = np.array([np.interp(day, CURVE_DAYS, curve) for curve in curves[known]])
        rows += _at(days, died, alive, day, f"{years} y")
    at = np.arange(30.4375, 731.0, 30.4375)
    grid = np.array([np.interp(at, CURVE_DAYS, curve) for curve in curves[known]])

    def integrated(r: NDArray[np.intp]) -> float:
        return censored.integrated_brier(days[r], died[r], grid[r], at)

    return [*rows, _row("Integrated Brier score to 2 y", integrated, days, died)]


def _horizon(model: Model) -> float | None:
    """Return the horizon of a response model in days of its survival times; None without one."""
    horizon, landmark = model.config.data.horizon_days, model.config.model.landmark_day
    if horizon is None or landmark is None:
        return horizon
    # With images the landmark of each patient is another day.
    return horizon - landmark if model.config.data.table else None


def _at(days: Array, died: Array, alive: Array, day: float, when: str) -> list[Row]:
    def area(r: NDArray[np.intp]) -> float:
        return censored.auc(days[r], died[r], alive[r], day)

    def brier(r: NDArray[np.intp]) -> float:
        return censored.brier(days[r], died[r], alive[r], day)

    def ratio(r: NDArray[np.intp]) -> float:
        if not censored.is_followed(days[r], died[r], day):
            return float("nan")
        curve = kaplan_meier(exits(days[r], died[r]))
        place = int(np.searchsorted(curve.times, day, side="right"))
        observed = curve.alive[place - 1] if place else 1.0
        return float(observed / alive[r].mean())

    return [
        _row(f"AUC at {when}, censoring weighted", area, days, died),
        _row(f"Brier score at {when}, censoring weighted", brier, days, died),
        _row(f"Observed / expected alive at {when}", ratio, days, died),
    ]


def _row(
    name: str, statistic: Callable[[NDArray[np.intp]], float], days: Array, died: Array
) -> Row:
    n = len(days)
    value = statistic(np.arange(n))
    if np.isfinite(value):
        estimate = Estimate(value, *bootstrap(statistic, n, _SAMPLES))
    else:
        estimate = undefined("not enough deaths or follow-up")
    return name, estimate, n, int(died.sum())
