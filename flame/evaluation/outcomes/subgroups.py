"""Performance within subgroups of sex, age and radiation."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.cohort import Cohort, Patient
from flame.evaluation.metrics.estimates import crossed_estimate
from flame.evaluation.metrics.generalisation import UNSEEN
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import Outcome, Scored
from flame.federation.trainings import FEDERATED
from flame.models.response.inputs import Inputs, concatenate

_FOLD_OFFSET = 10_000
"""Offset of the fold numbers of consecutive centres; larger than any number of folds, so that no
fold is shared by centres.
"""
_AGE = 65
"""Age in years that separates the two age groups."""


def pooled_scores(
    predictions: list[Predictions], cohort: list[Inputs], model: str, across: bool = False
) -> Scored:
    """Stack the predictions and folds of one model over all centres.

    Args:
        predictions: predictions of all models.
        cohort: patients of each centre.
        model: name of the model.
        across: whether patients of different centres share folds and are compared.

    Returns:
        Predictions and folds, (seed, n) each, with patients in the order of ``cohort``.
    """
    by_centre = {p.tested_on: p for p in predictions if p.model == model}
    each = [by_centre[i.centre] for i in cohort]
    offset = 0 if across else _FOLD_OFFSET
    folds = [p.folds + offset * number for number, p in enumerate(each)]
    return np.hstack([p.by_seed for p in each]), np.hstack(folds)


def subgroups(
    outcome: Outcome, predictions: list[Predictions], cohort: list[Inputs], cohorts: list[Cohort]
) -> pd.DataFrame:
    """Compute the main metric and the calibration of all patients and within subgroups.

    The metric is over pairs of patients of one centre. Calibration in the large is the share of
    responders less the mean prediction: above 0 the model predicts too few responders.

    Args:
        outcome: kind of outcome.
        predictions: predictions of all models.
        cohort: patients of each centre.
        cohorts: cohorts of the same centres, with clinical data.

    Returns:
        One row for each subgroup and model: number of patients, metric, calibration if predictions
        are probabilities, and intervals.
    """
    patients = {(c.centre, p.pseudonym): p for c in cohorts for p in c.patients}
    everyone = concatenate(cohort)
    rows = []
    known = [patients[i.centre, name] for i in cohort for name in i.pseudonyms]
    models = [m for m in (FEDERATED, UNSEEN) if any(p.model == m for p in predictions)]
    for title, group in ({"all": _everyone} | GROUPS).items():
        names = np.array([group(patient) for patient in known])
        for name in sorted(set(names) - {""}):
            members = np.intersect1d(everyone.labelled, np.flatnonzero(names == name))
            for model in models:
                scores, folds = pooled_scores(predictions, cohort, model)
                scored = (scores[:, members], folds[:, members])
                taken = everyone.take(members)
                estimate = outcome.estimate(taken, scored)
                large = _calibration(taken, scored[0]) if outcome.is_probability else {}
                rows.append(
                    {
                        "subgroup": title,
                        "value": name,
                        "model": model,
                        "n": len(members),
                        outcome.metric: estimate.value,
                        "low": estimate.low,
                        "high": estimate.high,
                        "reason": estimate.reason,
                        **large,
                    }
                )
    return pd.DataFrame(rows)


def _calibration(patients: Inputs, by_seed: NDArray[np.float64]) -> dict[str, float]:
    gap = crossed_estimate(patients.response - by_seed, "no patients")
    return {"observed - predicted": gap.value, "gap low": gap.low, "gap high": gap.high}


def _everyone(patient: Patient) -> str:
    return "patients"


def _sex(patient: Patient) -> str:
    value = next((v for k, v in patient.clinical.items() if k.lower() in ("sex", "gender")), np.nan)
    return f"coded {value:g}" if np.isfinite(value) else ""


def _age(patient: Patient) -> str:
    value = next((v for k, v in patient.clinical.items() if k.lower() == "age"), np.nan)
    return "" if not np.isfinite(value) else f"under {_AGE}" if value < _AGE else f"{_AGE} and over"


def _radiation(patient: Patient) -> str:
    phases = patient.treatment.phases if patient.treatment else ()
    return " + ".join(dict.fromkeys(p.radiation.value for p in phases))


GROUPS: dict[str, Callable[[Patient], str]] = {"sex": _sex, "age": _age, "radiation": _radiation}
