"""Plain baselines of a run, each trained on the other centres and tested on the one left out."""

import numpy as np

from flame.core.cohort import Cohort
from flame.evaluation.predictions import Predictions
from flame.federation.config import TrainConfig
from flame.models.baselines import logistic, prevalence
from flame.models.inputs import ResponseModelConfig, build_inputs, concatenate


def baseline_predictions(config: TrainConfig, cohorts: list[Cohort]) -> list[Predictions]:
    """Prevalence, and logistic regressions on the feature sets the run names."""
    designs: dict[str, tuple[str, ...]] = {"prevalence": ()}
    designs |= {f"logistic, {name}": features for name, features in config.baselines.items()}
    if config.model.clinical:
        designs["logistic, same features"] = config.model.clinical
    return [
        prediction
        for name, features in designs.items()
        for prediction in _leave_one_out(name, features, cohorts)
    ]


def _leave_one_out(
    name: str, features: tuple[str, ...], cohorts: list[Cohort]
) -> list[Predictions]:
    inputs = [build_inputs(c, ResponseModelConfig(clinical=features)) for c in cohorts]
    found = []
    for tested in inputs:
        others = [i.take(i.labelled) for i in inputs if i is not tested]
        if others:
            pooled = concatenate(others)
            design = logistic if features else prevalence
            probability = design(pooled.clinical, pooled.response)(tested.clinical)[None]
            folds = np.zeros(probability.shape, int)
            found.append(Predictions(name, pooled.centre, tested.centre, probability, folds))
    return found
