"""Tables of a regression: coefficients with intervals, and the baseline hazard."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.bundles.model import Model
from flame.federation.task import Shared
from flame.federation.tasks.logistic import LogisticTask
from flame.federation.tasks.survival import SurvivalTask
from flame.models.regression.baseline_hazard import MONTH, MONTHS, Hazard
from flame.models.regression.survival_curves import Z
from flame.models.response.inputs import TREATMENT_FEATURES
from flame.preprocessing.harmonisation.standardisation import moments_in, spread

Array = NDArray[np.float64]


def feature_names(model: Model) -> list[str]:
    """Return the names of the numeric inputs of a model, in order."""
    settings = model.config.model
    return [*settings.clinical_columns, *TREATMENT_FEATURES * settings.treatment]


def covariance(model: Model, shared: Shared) -> Array:
    """Return the covariance (p, p) of the coefficients of standardised features.

    With penalty weights w and the information I of the likelihood it is that of the penalised
    estimate, (I + w)^-1 I (I + w)^-1; NaN where a site did not send I.

    Reference:
        Gray 1992, doi:10.1080/01621459.1992.10476248.
    """
    task = model.task
    assert isinstance(task, LogisticTask | SurvivalTask)
    information = shared.get("information", np.full((len(shared["beta"]),) * 2, np.nan))
    if not np.isfinite(information).all():
        return np.asarray(information, float)
    patients = float(shared.get("patients", np.max(shared["count"], initial=0.0)))
    weight = task.penalty(float(shared["penalizer"]), patients, shared)
    inverse = np.linalg.inv(information + np.diag(weight))
    return np.asarray(inverse @ information @ inverse)


def coefficients(model: Model) -> pd.DataFrame:
    """Return the coefficients of a regression with 95 % intervals.

    Args:
        model: a logistic or a Cox regression.

    Returns:
        One row per feature: coefficient of a standard deviation, and the odds or hazard ratio for
        one unit and for one standard deviation with its interval. The penalty shrinks all of them
        towards no effect, and the intervals do not account for that.
    """
    shared = model.shared
    beta = np.asarray(shared["beta"], float)
    error = np.sqrt(np.diag(covariance(model, shared)))
    constant = len(beta) - len(feature_names(model))
    scale = spread(moments_in(shared))
    kind = "odds ratio" if constant else "hazard ratio"
    rows = []
    for place, name in enumerate(feature_names(model)):
        b, e = beta[place + constant], error[place + constant]
        rows.append(
            {
                "feature": name,
                "mean": float(shared["mean"][place]),
                "sd": float(scale[place]),
                "coefficient per sd": b,
                "standard error": e,
                f"{kind} per sd": np.exp(b),
                "low": np.exp(b - Z * e),
                "high": np.exp(b + Z * e),
                f"{kind} per unit": np.exp(b / scale[place]),
            }
        )
    if constant:
        rows.insert(0, {"feature": "(constant)", "coefficient per sd": beta[0]})
    return pd.DataFrame(rows)


def baseline_hazard(model: Model) -> pd.DataFrame:
    """Return the cumulative baseline hazard of a Cox model by month, over all centres and of each.

    Args:
        model: a Cox regression.

    Returns:
        One row per month: the day on which it ends, and the cumulative hazard of a patient with
        mean features; NaN beyond the follow-up of a centre.

    Raises:
        KeyError: the model was trained before baseline hazards were learned.
    """
    shared = model.shared
    by_centre = Hazard(shared["hazard_deaths"], shared["hazard_exposure"])
    days = MONTH * np.arange(1, MONTHS + 1, dtype=float)
    table = {"day": days, "all hospitals": _known(by_centre.summed(), days)}
    for number, centre in enumerate(sorted(model.config.data.centres)):
        one = Hazard(by_centre.deaths[number], by_centre.exposure[number])
        table[centre] = _known(one, days)
    frame = pd.DataFrame(table)
    return frame[frame["all hospitals"].notna()]


def last_day(hazard: Hazard) -> float:
    """Return the day until which patients of a hazard were followed, up to a month."""
    followed = np.flatnonzero(hazard.seen)
    return float(MONTH * (followed[-1] + 1)) if len(followed) else 0.0


def _known(hazard: Hazard, days: Array) -> Array:
    return np.where(days <= last_day(hazard) + 1e-6, hazard.cumulative(days), np.nan)
