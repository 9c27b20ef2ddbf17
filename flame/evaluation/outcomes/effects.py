"""Effects of single features on the prediction of a model (partial dependence)."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.federation.config import TrainConfig
from flame.federation.trainings import final_training
from flame.models.response.inputs import TREATMENT_FEATURES, Inputs

LOW = 0.1
"""Quantile of a feature from which it is changed."""
HIGH = 0.9
"""Quantile of a feature to which it is changed."""


@dataclass(frozen=True)
class Effect:
    """Mean change of the prediction when one feature changes.

    Args:
        feature: name of the feature.
        by_centre: mean change at each centre, in the unit of the prediction.
    """

    feature: str
    by_centre: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over centres, with equal weights."""
        return float(np.mean(self.by_centre))


def feature_effects(config: TrainConfig, run: Path, cohort: list[Inputs]) -> list[Effect]:
    """Compute how the federated model's prediction changes when one feature goes from LOW to HIGH.

    LOW and HIGH are quantiles over all patients. A feature whose quantiles are equal goes from its
    minimum to its maximum. All other features of a patient stay unchanged (partial dependence). The
    change is averaged over seeds.

    Args:
        config: configuration of the run.
        run: run folder.
        cohort: patients of each centre.

    Returns:
        One effect for each clinical and treatment feature of the model.

    Reference:
        Friedman 2001, doi:10.1214/aos/1013203451.
    """
    predictor = Predictor(config, run, cohort)
    trained = [final_training(config.data.centres, seed) for seed in config.training.seeds]

    def prediction(inputs: Inputs) -> float:
        return float(np.mean([predictor.of(training, inputs).mean() for training in trained]))

    effects = []
    columns = [("clinical", i, name) for i, name in enumerate(config.model.clinical_columns)]
    if config.model.treatment:
        columns += [("treatment", i, name) for i, name in enumerate(TREATMENT_FEATURES)]
    for field, column, name in columns:
        values = np.concatenate([getattr(i, field)[:, column] for i in cohort])
        ends = np.nanquantile(values, [LOW, HIGH]) if np.isfinite(values).any() else (0.0, 0.0)
        if ends[0] == ends[1]:
            ends = np.nanmin(values), np.nanmax(values)
        low, high = (
            [prediction(_with(inputs, field, column, end)) for inputs in cohort] for end in ends
        )
        effects.append(Effect(name, tuple(np.subtract(high, low).tolist())))
    return effects


def _with(inputs: Inputs, field: str, column: int, value: float) -> Inputs:
    array = getattr(inputs, field).copy()
    array[:, column] = value
    return replace(inputs, **{field: array})
