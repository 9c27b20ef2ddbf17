"""Predictions of every model of a run at every centre, no patient predicted by a model it made."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Weights
from flame.evaluation.metrics.out_of_sample import OutOfSample, out_of_sample
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.run_strategy import strategy_of
from flame.federation.task import OutcomeTask, Shared
from flame.federation.tasks.registry import open_task_of
from flame.federation.trainings import Training
from flame.models.response.inputs import Inputs


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities of one model at one centre: ``by_seed`` (seed, patient).

    ``folds`` (seed, patient) tells which patients one and the same model predicted.
    """

    model: str
    trained_on: tuple[str, ...]
    tested_on: str
    by_seed: NDArray[np.float64]
    folds: NDArray[np.intp]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Probability averaged over seeds."""
        return np.asarray(self.by_seed.mean(axis=0))


class Predictor:
    """Reads the trained weights of a run and applies them."""

    def __init__(self, config: TrainConfig, run: Path, inputs: list[Inputs]) -> None:
        self.config, self.run, self.inputs = config, run, inputs
        self.task = open_task_of(OutcomeTask, config, run)  # type: ignore[type-abstract]
        self._checkpoint = lru_cache(maxsize=16)(lambda name: finished(run, name))

    def all(self) -> list[Predictions]:
        """Local, federated and pooled models, and those that never saw the tested centre."""
        training = self.config.training
        groups: dict[tuple[str, tuple[str, ...], str], list[OutOfSample]] = {}
        for held in out_of_sample(training, self.inputs, self.config.federation.compare):
            key = (held.model, held.trained_on, held.patients.centre)
            groups.setdefault(key, []).append(held)
        return [self._together(key, parts) for key, parts in groups.items()]

    def _together(
        self, key: tuple[str, tuple[str, ...], str], parts: list[OutOfSample]
    ) -> Predictions:
        seeds = self.config.training.seeds
        shape = (len(seeds), len(parts[0].patients.pseudonyms))
        probability, folds = np.full(shape, np.nan), np.zeros(shape, int)
        for held in parts:
            row = seeds.index(held.training.seed)
            inputs = held.patients.take(held.rows)
            probability[row, held.rows] = self.of(held.training, inputs)
            folds[row, held.rows] = held.training.fold or 0
        return Predictions(*key, probability, folds)

    def of(self, training: Training, inputs: Inputs) -> NDArray[np.float64]:
        """What the model of a training predicts (n,)."""
        found: NDArray[np.float64] = self.task.predict(
            inputs, *self.trained(training, inputs.centre)
        )
        return found

    def trained(self, training: Training, centre: str) -> tuple[Weights, Shared]:
        """Weights of a training as they are used at a centre, and what was learned beside them."""
        checkpoint = self._checkpoint(training.name)
        strategy = strategy_of(self.config, training.kind)
        return strategy.weights_for(checkpoint.state, centre), checkpoint.shared
