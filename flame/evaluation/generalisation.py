"""Per-centre generalisation: every model at every centre, and paired differences."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from flame.core.scores import CentreScore
from flame.evaluation.held_out import LEFT_OUT
from flame.evaluation.metrics import (
    Estimate,
    auc_difference,
    auc_estimate,
    brier_estimate,
    c_index_difference,
    c_index_estimate,
    calibration_estimates,
)
from flame.evaluation.predictions import Predictions
from flame.federation.plan import FEDERATED, LOCAL, POOLED
from flame.models.inputs import Followed, Inputs

Counted = dict[str, tuple[Estimate, tuple[int, int]]]
"""Estimates by metric, with how many patients and events they rest on."""


def score(predictions: Predictions, inputs: Inputs) -> list[CentreScore]:
    """Of a response model AUC, Brier score, calibration and C-index; of survival the C-index."""
    found = {} if isinstance(inputs, Followed) else _of_response(predictions, inputs)
    rows = np.flatnonzero(np.isfinite(inputs.survival_days))
    days, died = inputs.survival_days[rows], inputs.died[rows]
    c_index = c_index_estimate(days, died, predictions.by_seed[:, rows], predictions.folds[:, rows])
    found["c_index"] = c_index, (len(rows), int(died.sum()))
    return [
        CentreScore(
            predictions.model, predictions.trained_on, predictions.tested_on, metric,
            estimate.value, estimate.low, estimate.high, *counts, estimate.reason,
        )
        for metric, (estimate, counts) in found.items()
    ]  # fmt: skip


def _of_response(predictions: Predictions, inputs: Inputs) -> Counted:
    known = inputs.labelled
    response = inputs.response[known].astype(float)
    by_seed, folds = predictions.by_seed[:, known], predictions.folds[:, known]
    slope, intercept = calibration_estimates(response, predictions.mean[known])
    labelled = len(known), int(response.sum())
    return {
        "auc": (auc_estimate(response, by_seed, folds), labelled),
        "brier": (brier_estimate(response, by_seed), labelled),
        "calibration_slope": (slope, labelled),
        "calibration_intercept": (intercept, labelled),
    }


@dataclass(frozen=True)
class Difference:
    """``metric`` of ``model`` minus that of ``against`` on the same patients of one centre."""

    model: str
    against: str
    tested_on: str
    metric: str
    value: float
    low: float
    high: float
    reason: str


def differences(predictions: Iterable[Predictions], cohort: list[Inputs]) -> list[Difference]:
    """Federated against local and pooled, seen and unseen centre, patient by patient."""
    by_name = {(p.model, p.trained_on, p.tested_on): p for p in predictions}
    centres = [i.centre for i in cohort]
    found = []
    for inputs in cohort:
        here, everyone = inputs.centre, "+".join(centres)
        others = "+".join(c for c in centres if c != here)
        pairs = [
            ((FEDERATED, everyone), (LOCAL, here)),
            ((FEDERATED, everyone), (POOLED, everyone)),
            ((LEFT_OUT.format(FEDERATED), others), (LEFT_OUT.format(POOLED), others)),
        ]
        for first, second in pairs:
            a, b = by_name.get((*first, here)), by_name.get((*second, here))
            if a and b:
                metric, gap = _gap(inputs, a, b)
                found.append(
                    Difference(
                        a.model, b.model, here, metric, gap.value, gap.low, gap.high, gap.reason
                    )
                )
    return found


def _gap(inputs: Inputs, first: Predictions, second: Predictions) -> tuple[str, Estimate]:
    """The metric of the task, and the difference in it."""
    known = inputs.labelled
    a, b = ((p.by_seed[:, known], p.folds[:, known]) for p in (first, second))
    if isinstance(inputs, Followed):
        days, died = inputs.survival_days[known], inputs.died[known]
        return "c_index", c_index_difference(days, died, a, b)
    return "auc", auc_difference(inputs.response[known].astype(float), a, b)


def as_table(rows: Iterable[CentreScore | Difference]) -> pd.DataFrame:
    """Scores or differences as a table, one row each."""
    return pd.DataFrame([asdict(row) for row in rows])
