"""Kinds of predicted outcome: response and survival."""

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
"""Predictions and folds, (seed, n) each."""
LEAST_DEATHS = 0.5
"""Deaths assumed at a centre without any, so that days per death stay finite."""


class Outcome(Protocol):
    """One kind of outcome; see ``OUTCOMES``.

    Args:
        metric: name of the main metric.
        is_probability: whether predictions are probabilities.
        groups: names of the two predicted groups, the better one first.
        cut_text: description of the cut between the groups, followed by the training centres.
        effect_unit: unit of feature effects.
        baseline: name of the baseline regression.
        trivial: features of further baselines by name; without features they predict a constant.
    """

    metric: str
    is_probability: bool
    groups: tuple[str, str]
    cut_text: str
    effect_unit: str
    baseline: str
    trivial: Mapping[str, tuple[str, ...]]

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """Return the prediction from which a patient belongs to the first group.

        The cut comes from the patients that the model was trained on, never from the patient.

        Args:
            predictions: predictions of one model at one centre.
            cohort: patients of each centre.

        Returns:
            (seed, n) cuts.
        """

    def inputs(self, cohort: Cohort, config: ResponseModelConfig) -> Inputs:
        """Return the arrays of the patients of a centre.

        Args:
            cohort: cohort of the centre.
            config: features of the model.

        Raises:
            BadInput: the outcome is unknown for all patients, or a feature is missing.
        """

    def rate(self, known: Inputs) -> float:
        """Return the mean outcome of patients; higher is better.

        Args:
            known: patients whose outcome is known.
        """

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """Return the main metric with its interval.

        Args:
            inputs: patients whose outcome is known.
            scored: their predictions and folds, (seed, n) each.
        """

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Return the main metric of one model minus that of another, on the same patients.

        Args:
            inputs: patients whose outcome is known.
            first: predictions and folds of the first model, (seed, n) each.
            second: predictions and folds of the model that is subtracted, (seed, n) each.
        """


OUTCOMES: Registry[Outcome] = Registry("outcome")
"""Kinds of outcome by name; ``Task.outcome`` names one."""


class Response:
    """Response, predicted as a probability. The main metric is the AUC."""

    metric = "auc"
    is_probability = True
    groups = "response", "none"
    cut_text = "the share of responders in"
    effect_unit = "change of the probability"
    baseline = "logistic"
    trivial: Mapping[str, tuple[str, ...]] = {"prevalence": ()}

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """Return the share of responders in training of each fold, see ``Outcome``."""
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
        """Return the patients of a centre, see ``Outcome``. Some may have an unknown response."""
        return build_inputs(cohort, config)

    def rate(self, known: Inputs) -> float:
        """Return the share of responders."""
        return float(known.response.mean())

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """Return the AUC, see ``Outcome``."""
        return auc_estimate(inputs.response.astype(float), *scored)

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Return the difference of AUC, see ``Outcome``."""
        return auc_difference(inputs.response.astype(float), first, second)


class Survival:
    """Survival, predicted as a score: higher is longer. The main metric is the C-index."""

    metric = "c_index"
    is_probability = False
    groups = "low risk", "high risk"
    cut_text = "the mean risk of"
    effect_unit = "change of the negative log risk"
    baseline = "Cox"
    trivial: Mapping[str, tuple[str, ...]] = {}

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """Return 0, the mean score, as features are standardised over the training centres."""
        return np.zeros(predictions.folds.shape)

    def inputs(self, cohort: Cohort, config: ResponseModelConfig) -> Inputs:
        """Return the patients of a centre, see ``Outcome``. Some may have an unknown survival."""
        return followed(cohort, config)

    def rate(self, known: Inputs) -> float:
        """Return the days of follow-up per death."""
        return float(known.survival_days.sum() / max(known.died.sum(), LEAST_DEATHS))

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """Return the C-index, see ``Outcome``."""
        return c_index_estimate(inputs.survival_days, inputs.died, *scored)

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Return the difference of C-index, see ``Outcome``."""
        return c_index_difference(inputs.survival_days, inputs.died, first, second)


OUTCOMES.register("response")(Response())
OUTCOMES.register("survival")(Survival())
