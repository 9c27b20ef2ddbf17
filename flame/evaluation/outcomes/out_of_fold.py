"""Out-of-sample predictions of every model of a run at every centre."""

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
    """Predictions of one model at one centre, for patients that it was not trained on.

    Args:
        model: name of the model in tables.
        trained_on: centres that it was trained on.
        tested_on: test centre.
        by_seed: (seed, n) predictions.
        folds: (seed, n) fold of each patient; one model predicted all patients of a fold.
    """

    model: str
    trained_on: tuple[str, ...]
    tested_on: str
    by_seed: NDArray[np.float64]
    folds: NDArray[np.intp]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Predictions (n,) averaged over seeds."""
        return np.asarray(self.by_seed.mean(axis=0))


class Predictor:
    """Loads the trained models of a run and predicts with them.

    Args:
        config: configuration of the run.
        run: run folder.
        inputs: patients of each centre.
    """

    def __init__(self, config: TrainConfig, run: Path, inputs: list[Inputs]) -> None:
        self.config, self.run, self.inputs = config, run, inputs
        self.task = open_task_of(OutcomeTask, config, run)  # type: ignore[type-abstract]
        self._checkpoint = lru_cache(maxsize=16)(lambda name: finished(run, name))

    def all(self) -> list[Predictions]:
        """Predict with every model at every centre, see ``out_of_sample``."""
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
        """Return the predictions (n,) of the model of one training.

        Args:
            training: the training, which must be finished.
            inputs: patients of one centre.
        """
        found: NDArray[np.float64] = self.task.predict(
            inputs, *self.trained(training, inputs.centre)
        )
        return found

    def trained(self, training: Training, centre: str) -> tuple[Weights, Shared]:
        """Return the weights of a training as a centre uses them, and its shared arrays.

        Args:
            training: the training, which must be finished.
            centre: name of the centre; personalised strategies keep weights for each centre.
        """
        checkpoint = self._checkpoint(training.name)
        strategy = strategy_of(self.config, training.kind)
        return strategy.weights_for(checkpoint.state, centre), checkpoint.shared
