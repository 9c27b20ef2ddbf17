"""What is predicted of a patient: the response, or survival. One entry a kind of outcome."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Cohort
from flame.core.registry import Registry
from flame.evaluation.metrics.estimates import (
    Estimate,
    auc_difference,
    auc_estimate,
    c_index_difference,
    c_index_estimate,
)
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.models.response.inputs import (
    Inputs,
    ResponseModelConfig,
    build_inputs,
    followed,
)

Scored = tuple[NDArray[np.float64], NDArray[np.intp]]
"""Predictions and folds, (seed, patient) each."""
LEAST_DEATHS = 0.5
"""Deaths that a centre without any counts as where a rate is taken."""


class Outcome(Protocol):
    """One kind of outcome; see ``OUTCOMES``.

    ``groups`` are the predicted groups, the better one first, and ``cut_text`` what parts them.
    ``baseline`` is what a plain baseline is, ``trivial`` baselines have no features.
    """

    metric: str
    is_probability: bool
    groups: tuple[str, str]
    cut_text: str
    effect_unit: str
    baseline: str
    trivial: Mapping[str, tuple[str, ...]]

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """Prediction (seed, patient) from which on a patient is in the first of ``groups``.

        By those whom the model was trained on, never the patient.
        """

    def inputs(self, cohort: Cohort, config: ResponseModelConfig) -> Inputs:
        """Arrays of the patients whose outcome can be learned from."""

    def rate(self, known: Inputs) -> float:
        """The mean outcome of these patients, the higher the better."""

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """The main metric, of patients who are all labelled."""

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """The main metric of ``first`` minus that of ``second``, on the same patients."""


OUTCOMES: Registry[Outcome] = Registry("outcome")


class Response:
    """Probabilities of a response that is known or not."""

    metric = "auc"
    is_probability = True
    groups = "response", "none"
    cut_text = "the share of responders in"
    effect_unit = "change of the probability"
    baseline = "logistic"
    trivial: Mapping[str, tuple[str, ...]] = {"prevalence": ()}

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """The share of responders."""
        trained = [i for i in cohort if i.centre in predictions.trained_on]
        here = [i for i in trained if i.centre == predictions.tested_on]
        others = [i.response[i.labelled] for i in trained if i.centre != predictions.tested_on]
        cuts = np.empty(predictions.folds.shape)
        for seed, folds in enumerate(predictions.folds):
            for fold in np.unique(folds):
                own = [i.response[(folds != fold) & np.isfinite(i.response)] for i in here]
                cuts[seed, folds == fold] = np.concatenate([*others, *own]).mean()
        return cuts

    def inputs(self, cohort: Cohort, config: ResponseModelConfig) -> Inputs:
        """Patients of known response."""
        return build_inputs(cohort, config)

    def rate(self, known: Inputs) -> float:
        """The share of responders."""
        return float(known.response.mean())

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """AUC."""
        return auc_estimate(inputs.response.astype(float), *scored)

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Of the AUC."""
        return auc_difference(inputs.response.astype(float), first, second)


class Survival:
    """Scores that are the higher the longer a patient lives."""

    metric = "c_index"
    is_probability = False
    groups = "low risk", "high risk"
    cut_text = "the mean risk of"
    effect_unit = "change of the negative log risk"
    baseline = "Cox"
    trivial: Mapping[str, tuple[str, ...]] = {}

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """0, the mean risk: features are standardised over the training centres."""
        return np.zeros(predictions.folds.shape)

    def inputs(self, cohort: Cohort, config: ResponseModelConfig) -> Inputs:
        """Patients of known survival."""
        return followed(cohort, config)

    def rate(self, known: Inputs) -> float:
        """Days lived for each death."""
        return float(known.survival_days.sum() / max(known.died.sum(), LEAST_DEATHS))

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """C-index."""
        return c_index_estimate(inputs.survival_days, inputs.died, *scored)

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Of the C-index."""
        return c_index_difference(inputs.survival_days, inputs.died, first, second)


OUTCOMES.register("response")(Response())
OUTCOMES.register("survival")(Survival())
