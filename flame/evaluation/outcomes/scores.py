"""Figures of response and survival models at each centre, and paired differences."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import CentreScore, Difference
from flame.evaluation.metrics.estimates import (
    Estimate,
    auc_difference,
    auc_estimate,
    auprc_estimate,
    balanced_accuracy_estimate,
    brier_estimate,
    c_index_difference,
    c_index_estimate,
    calibration_estimates,
    survival_slope,
)
from flame.evaluation.metrics.generalisation import PAIRS, UNSEEN
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.federation.trainings import LOCAL
from flame.models.response.inputs import Inputs

Counted = dict[str, tuple[Estimate, tuple[int, int]]]
"""Estimates by metric, with how many patients and events they rest on."""
Scored = tuple[NDArray[np.float64], NDArray[np.intp]]
"""Predictions and folds, (seed, patient) each."""


class Outcome(Protocol):
    """What the figures of a task are; see ``OUTCOMES``."""

    metric: str
    groups: tuple[str, str]

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """Prediction (seed, patient) from which on a patient is in the first of ``groups``.

        By those whom the model was trained on, never the patient.
        """

    def figures(self, predictions: Predictions, cohort: list[Inputs]) -> Counted:
        """All figures at one centre."""

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """The metric, of patients who are all labelled."""

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """The metric of ``first`` minus that of ``second``, on the same patients."""


class Response:
    """Probabilities of a response that is known or not."""

    metric = "auc"
    groups = "response", "none"

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """The share of responders."""
        trained = [i for i in cohort if i.centre in predictions.trained_on.split("+")]
        here = [i for i in trained if i.centre == predictions.tested_on]
        others = [i.response[i.labelled] for i in trained if i.centre != predictions.tested_on]
        found = np.empty(predictions.folds.shape)
        for seed, folds in enumerate(predictions.folds):
            for fold in np.unique(folds):
                own = [i.response[(folds != fold) & np.isfinite(i.response)] for i in here]
                found[seed, folds == fold] = np.concatenate([*others, *own]).mean()
        return found

    def figures(self, predictions: Predictions, cohort: list[Inputs]) -> Counted:
        """Discrimination, calibration, and the C-index of those whose survival is known."""
        inputs = _tested(predictions, cohort)
        called = predictions.by_seed >= self.cuts(predictions, cohort)
        known = inputs.labelled
        response = inputs.response[known].astype(float)
        by_seed, folds = predictions.by_seed[:, known], predictions.folds[:, known]
        slope, intercept = calibration_estimates(response, predictions.mean[known])
        found = {
            "auc": auc_estimate(response, by_seed, folds),
            "auprc": auprc_estimate(response, by_seed),
            "balanced accuracy": balanced_accuracy_estimate(response, called[:, known]),
            "brier": brier_estimate(response, by_seed),
            "calibration slope": slope,
            "calibration intercept": intercept,
        }
        counts = len(known), int(response.sum())
        return {name: (e, counts) for name, e in found.items()} | _survival(predictions, inputs)

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """AUC."""
        return auc_estimate(inputs.response.astype(float), *scored)

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Of the AUC."""
        return auc_difference(inputs.response.astype(float), first, second)


class Survival:
    """Scores that are the higher the longer a patient lives."""

    metric = "c_index"
    groups = "low risk", "high risk"

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """0, the mean risk: features are standardised over the training centres."""
        return np.zeros(predictions.folds.shape)

    def figures(self, predictions: Predictions, cohort: list[Inputs]) -> Counted:
        """C-index, and the slope of a Cox model of the outcome on the predicted log risk."""
        inputs = _tested(predictions, cohort)
        found = _survival(predictions, inputs)
        rows = np.flatnonzero(np.isfinite(inputs.survival_days))
        slope = survival_slope(
            inputs.survival_days[rows], inputs.died[rows], predictions.mean[rows]
        )
        return found | {"calibration slope": (slope, found["c_index"][1])}

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """C-index."""
        return c_index_estimate(inputs.survival_days, inputs.died, *scored)

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Of the C-index."""
        return c_index_difference(inputs.survival_days, inputs.died, first, second)


OUTCOMES: dict[str, Outcome] = {"response": Response(), "survival": Survival()}


def _tested(predictions: Predictions, cohort: list[Inputs]) -> Inputs:
    return next(i for i in cohort if i.centre == predictions.tested_on)


def _survival(predictions: Predictions, inputs: Inputs) -> Counted:
    rows = np.flatnonzero(np.isfinite(inputs.survival_days))
    days, died = inputs.survival_days[rows], inputs.died[rows]
    c_index = c_index_estimate(days, died, predictions.by_seed[:, rows], predictions.folds[:, rows])
    return {"c_index": (c_index, (len(rows), int(died.sum())))}


def scores(task: str, predictions: Predictions, cohort: list[Inputs]) -> list[CentreScore]:
    """All figures of one model at one centre."""
    return [
        CentreScore(
            predictions.model,
            predictions.trained_on,
            predictions.tested_on,
            metric,
            estimate.value,
            estimate.low,
            estimate.high,
            *counts,
            estimate.reason,
        )
        for metric, (estimate, counts) in OUTCOMES[task].figures(predictions, cohort).items()
    ]


def differences(
    task: str, predictions: Iterable[Predictions], cohort: list[Inputs], baselines: Iterable[str]
) -> list[Difference]:
    """See ``PAIRS``; and the federated model that never saw a centre against ``baselines``."""
    by_name = {
        (p.model, p.tested_on): p
        for p in predictions
        if p.model != LOCAL or p.trained_on == p.tested_on
    }
    outcome, found = OUTCOMES[task], []
    for inputs in cohort:
        known = inputs.labelled
        for pair in (*PAIRS, *((UNSEEN, name) for name in baselines)):
            first, second = (by_name.get((model, inputs.centre)) for model in pair)
            if first and second:
                a, b = ((p.by_seed[:, known], p.folds[:, known]) for p in (first, second))
                gap = outcome.difference(inputs.take(known), a, b)
                found.append(
                    Difference(
                        *pair,
                        inputs.centre,
                        outcome.metric,
                        gap.value,
                        gap.low,
                        gap.high,
                        gap.reason,
                    )
                )
    return found
