"""Survival of each hospital, and whether its hazards are proportional as the Cox model assumes."""

import warnings

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError, ConvergenceWarning
from lifelines.statistics import proportional_hazard_test

from flame.evaluation.metrics.censored import restricted_mean
from flame.evaluation.metrics.generalisation import UNSEEN
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.pages.sections import Cell, Section
from flame.federation.trainings import FEDERATED
from flame.models.regression.survival_curves import exits, kaplan_meier
from flame.models.response.inputs import Inputs

RESTRICTED_DAYS = 730.5
"""Two years, to which mean survival is restricted."""
_LEAST_DEATHS = 5
"""Deaths below which proportional hazards are not tested."""


def hazard_section(predictions: list[Predictions], inputs: list[Inputs]) -> Section:
    """Build the section.

    Args:
        predictions: predictions of all models.
        inputs: patients of each centre.

    Returns:
        A row per hospital: median survival with its interval, restricted mean, and the p value of
        the test of proportional hazards for the risk that the federated model predicts.
    """
    rows: list[list[str | Cell]] = []
    for centre in inputs:
        known = centre.take(np.flatnonzero(np.isfinite(centre.survival_days)))
        curve = kaplan_meier(exits(known.survival_days, known.died))
        low, high = (_days(v) for v in curve.median_interval)
        mean = restricted_mean(known.survival_days, known.died, RESTRICTED_DAYS)
        p = proportionality(_risk(predictions, centre), centre)
        rows.append(
            [
                centre.centre,
                f"{_days(curve.median)} ({low} to {high})",
                _days(mean),
                "too few deaths" if np.isnan(p) else f"{p:.3f}",
            ]
        )
    note = (
        "Median by Kaplan and Meier with its 95 % interval; mean survival restricted to two years. "
        "A small p means that the effect of the predicted risk changes over time (scaled "
        "Schoenfeld residuals against rank of time)."
    )
    columns = ["hospital", "median survival, days", "restricted mean, days", "proportional: p"]
    return Section("hazards", "Survival and proportional hazards", note, columns, rows)


def _days(value: float) -> str:
    if np.isnan(value):
        return "not known"
    return f"{value:.0f}" if np.isfinite(value) else "not reached"


def _risk(predictions: list[Predictions], centre: Inputs) -> np.ndarray:
    """Return the log risk (n,) by a federated model that was not trained on the patients."""
    by_model = {p.model: p for p in predictions if p.tested_on == centre.centre}
    return -(by_model.get(UNSEEN) or by_model[FEDERATED]).mean


def proportionality(risk: np.ndarray, centre: Inputs) -> float:
    """Test whether the effect of a predicted risk is constant over time.

    Args:
        risk: log risk (n,) of each patient.
        centre: the n patients.

    Returns:
        p value; NaN with fewer than five deaths or a constant risk.

    Reference:
        Grambsch and Therneau 1994, doi:10.1093/biomet/81.3.515, by lifelines.
    """
    known = np.isfinite(centre.survival_days) & np.isfinite(risk)
    deaths = int(centre.died[known].sum())
    if deaths < _LEAST_DEATHS or np.ptp(risk[known]) < 1e-9:
        return float("nan")
    table = pd.DataFrame(
        {"risk": risk[known], "days": centre.survival_days[known], "died": centre.died[known]}
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of a risk that tells all
            fitted = CoxPHFitter().fit(table, "days", "died")
    except ConvergenceError:
        return float("nan")
    tested = proportional_hazard_test(fitted, table, time_transform="rank")
    return float(np.ravel(tested.p_value)[0])
