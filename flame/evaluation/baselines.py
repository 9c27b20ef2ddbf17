"""Plain baselines of a run, each trained on the other centres and tested on the one left out."""

from collections.abc import Callable

import numpy as np

from flame.core.cohort import Cohort
from flame.evaluation.predictions import Predictions
from flame.federation.config import TrainConfig
from flame.models.baselines import Probability, cox, logistic, prevalence
from flame.models.inputs import (
    Followed,
    Inputs,
    ResponseModelConfig,
    build_inputs,
    concatenate,
    followed,
)


def baseline_predictions(config: TrainConfig, cohorts: list[Cohort]) -> list[Predictions]:
    """Prevalence (of response), and regressions on the feature sets the run names."""
    survival = config.task == "survival"
    kind, make = ("Cox", followed) if survival else ("logistic", build_inputs)
    designs: dict[str, tuple[str, ...]] = {} if survival else {"prevalence": ()}
    designs |= {f"{kind}, {name}": features for name, features in config.baselines.items()}
    if config.model.clinical:
        designs[f"{kind}, same features"] = config.model.clinical
    return [
        prediction
        for name, features in designs.items()
        for prediction in _leave_one_out(name, features, cohorts, make)
    ]


def _leave_one_out(
    name: str,
    features: tuple[str, ...],
    cohorts: list[Cohort],
    make: Callable[[Cohort, ResponseModelConfig], Inputs],
) -> list[Predictions]:
    inputs = [make(c, ResponseModelConfig(clinical=features)) for c in cohorts]
    found = []
    for tested in inputs:
        others = [i.take(i.labelled) for i in inputs if i is not tested]
        if others:
            pooled = concatenate(others)
            scores = _fitted(pooled)(tested.clinical)[None]
            folds = np.zeros(scores.shape, int)
            found.append(Predictions(name, pooled.centre, tested.centre, scores, folds))
    return found


def _fitted(pooled: Inputs) -> Probability:
    if isinstance(pooled, Followed):
        return cox(pooled.clinical, pooled.survival_days, pooled.died)
    design = logistic if pooled.clinical.shape[1] else prevalence
    return design(pooled.clinical, pooled.response)
