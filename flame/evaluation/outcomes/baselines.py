"""Simple baselines of a run, trained on all centres but one and tested on the held-out centre.

With a single centre they are cross-validated in the folds of the run.
"""

import numpy as np

from flame.core.cohort import Cohort
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import Outcome
from flame.federation.config import SAME_FEATURES, TrainConfig
from flame.federation.folds import fold_of, training_rows
from flame.federation.sections import TrainingConfig
from flame.models.response.baselines import Probability, cox, logistic, prevalence
from flame.models.response.inputs import (
    Followed,
    Inputs,
    ResponseModelConfig,
    concatenate,
)


def baseline_predictions(
    config: TrainConfig, outcome: Outcome, cohorts: list[Cohort]
) -> list[Predictions]:
    """Predict with the baselines: the prevalence (of response), and regressions on feature sets.

    Args:
        config: configuration of the run.
        outcome: kind of outcome.
        cohorts: patients of each centre that the task uses.

    Returns:
        Predictions of each baseline at each centre.
    """
    kind = outcome.baseline
    designs = dict(outcome.trivial)
    designs |= {f"{kind}, {name}": features for name, features in config.baselines.items()}
    if config.model.clinical:
        designs[f"{kind}, {SAME_FEATURES}"] = config.model.clinical
    return [
        prediction
        for name, features in designs.items()
        for prediction in _tested(config, name, features, cohorts, outcome)
    ]


def _tested(
    config: TrainConfig,
    name: str,
    features: tuple[str, ...],
    cohorts: list[Cohort],
    outcome: Outcome,
) -> list[Predictions]:
    inputs = [outcome.inputs(c, ResponseModelConfig(clinical=features)) for c in cohorts]
    if len(inputs) == 1:
        return [_cross_validated(config.training, name, inputs[0])]
    predictions = []
    for tested in inputs:
        pooled = concatenate([i.take(i.labelled) for i in inputs if i is not tested])
        scores = _fitted(pooled)(tested.clinical)[None]
        folds = np.zeros(scores.shape, int)
        trained_on = _others(inputs, tested)
        predictions.append(Predictions(name, trained_on, tested.centre, scores, folds))
    return predictions


def _others(inputs: list[Inputs], tested: Inputs) -> tuple[str, ...]:
    return tuple(i.centre for i in inputs if i is not tested)


def _cross_validated(training: TrainingConfig, name: str, inputs: Inputs) -> Predictions:
    shape = len(training.seeds), len(inputs.pseudonyms)
    scores = np.full(shape, np.nan)
    folds = np.zeros(shape, int)
    for row, seed in enumerate(training.seeds):
        folds[row] = fold_of(inputs, seed, training.folds)
        for fold in range(training.folds):
            trained_on = inputs.take(training_rows(inputs, seed, training.folds, fold))
            tested = folds[row] == fold
            scores[row, tested] = _fitted(trained_on)(inputs.clinical[tested])
    return Predictions(name, (inputs.centre,), inputs.centre, scores, folds)


def _fitted(pooled: Inputs) -> Probability:
    if isinstance(pooled, Followed):
        return cox(pooled.clinical, pooled.survival_days, pooled.died)
    design = logistic if pooled.clinical.shape[1] else prevalence
    return design(pooled.clinical, pooled.response)
