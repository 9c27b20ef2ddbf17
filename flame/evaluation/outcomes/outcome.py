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
    """A kind of outcome that models predict; ``OUTCOMES`` registers them.

    Args:
        metric: name of the main metric.
        is_probability: whether predictions are probabilities, not scores.
        groups: names of the two predicted groups, the better one first.
        cut_text: description of the cut between the groups; the training centres follow in the
            sentence.
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
        """Return the prediction from which on a patient belongs to the first group.

        The cut depends on the patients that the model was trained on, never on the test patient.

        Args:
            predictions: predictions of one model at one centre.
            cohort: patients of each centre.

        Returns:
            (seed, n) cuts.
        """

    def inputs(self, cohort: Cohort, config: ResponseModelConfig) -> Inputs:
        """Build the arrays of the patients of a centre.

        Args:
            cohort: cohort of the centre.
            config: features of the model.

        Returns:
            One row for each patient.

        Raises:
            BadInput: the outcome is unknown for all patients, or a feature is missing.
        """

    def rate(self, known: Inputs) -> float:
        """Summarise the outcome of patients as one number; higher is better.

        Args:
            known: patients whose outcome is known.

        Returns:
            The share of responders, or the days of follow-up per death.
        """

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """Compute the main metric.

        Args:
            inputs: patients whose outcome is known.
            scored: their predictions and folds, (seed, n) each.

        Returns:
            The metric with its 95 % interval.
        """

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Compare two models by the main metric on the same patients.

        Args:
            inputs: patients whose outcome is known.
            first: predictions and folds of the first model, (seed, n) each.
            second: predictions and folds of the model that is subtracted, (seed, n) each.

        Returns:
            The metric of the first model minus that of the second, with a paired 95 % interval.
        """


OUTCOMES: Registry[Outcome] = Registry("outcome")
"""Kinds of outcome by name; ``Task.outcome`` names one."""


class Response:
    """Response, predicted as a probability; the main metric is the AUC."""

    metric = "auc"
    is_probability = True
    groups = "response", "no response"
    cut_text = "the share of responders in"
    effect_unit = "change of the probability"
    baseline = "logistic"
    trivial: Mapping[str, tuple[str, ...]] = {"prevalence": ()}

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """Return the share of responders among the training patients of each fold."""
        centre = predictions.tested_on
        trained = [i for i in cohort if i.centre in predictions.trained_on]
        at_centre = [i for i in trained if i.centre == centre]
        elsewhere = [i.response[i.labelled] for i in trained if i.centre != centre]
        cuts = np.empty(predictions.folds.shape)
        for seed, folds in enumerate(predictions.folds):
            for fold in np.unique(folds):
                rest = [i.response[(folds != fold) & np.isfinite(i.response)] for i in at_centre]
                cuts[seed, folds == fold] = np.concatenate([*elsewhere, *rest]).mean()
        return cuts

    def inputs(self, cohort: Cohort, config: ResponseModelConfig) -> Inputs:
        """Build the arrays of the patients of a centre, of whom some may have no known response."""
        return build_inputs(cohort, config)

    def rate(self, known: Inputs) -> float:
        """Return the share of responders."""
        return float(known.response.mean())

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """Compute the AUC."""
        return auc_estimate(inputs.response.astype(float), *scored)

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Subtract the AUC of the second model from that of the first."""
        return auc_difference(inputs.response.astype(float), first, second)


class Survival:
    """Survival, predicted as a score that is higher for longer survival; metric: the C-index."""

    metric = "c_index"
    is_probability = False
    groups = "low risk", "high risk"
    cut_text = "the mean risk of"
    effect_unit = "change of the negative log risk"
    baseline = "Cox"
    trivial: Mapping[str, tuple[str, ...]] = {}

    def cuts(self, predictions: Predictions, cohort: list[Inputs]) -> NDArray[np.float64]:
        """Return 0, the mean score, because features are standardised over training centres."""
        return np.zeros(predictions.folds.shape)

    def inputs(self, cohort: Cohort, config: ResponseModelConfig) -> Inputs:
        """Build the arrays of the patients of a centre, of whom some may have no known survival."""
        return followed(cohort, config)

    def rate(self, known: Inputs) -> float:
        """Return the days of follow-up per death."""
        return float(known.survival_days.sum() / max(known.died.sum(), LEAST_DEATHS))

    def estimate(self, inputs: Inputs, scored: Scored) -> Estimate:
        """Compute the C-index."""
        return c_index_estimate(inputs.survival_days, inputs.died, *scored)

    def difference(self, inputs: Inputs, first: Scored, second: Scored) -> Estimate:
        """Subtract the C-index of the second model from that of the first."""
        return c_index_difference(inputs.survival_days, inputs.died, first, second)


OUTCOMES.register("response")(Response())
OUTCOMES.register("survival")(Survival())
