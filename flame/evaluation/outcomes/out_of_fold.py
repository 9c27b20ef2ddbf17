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
        self.config = config
        self.run = run
        self.inputs = inputs
        self.task = open_task_of(OutcomeTask, config, run)  # type: ignore[type-abstract]
        self._checkpoint = lru_cache(maxsize=16)(lambda name: finished(run, name))

    def all(self) -> list[Predictions]:
        """Predict with every model at every centre, see ``out_of_sample``."""
        training = self.config.training
        groups: dict[tuple[str, tuple[str, ...], str], list[OutOfSample]] = {}
        for part in out_of_sample(training, self.inputs, self.config.federation.compare):
            key = (part.model, part.trained_on, part.patients.centre)
            groups.setdefault(key, []).append(part)
        return [self._together(key, parts) for key, parts in groups.items()]

    def _together(
        self, key: tuple[str, tuple[str, ...], str], parts: list[OutOfSample]
    ) -> Predictions:
        seeds = self.config.training.seeds
        shape = (len(seeds), len(parts[0].patients.pseudonyms))
        predicted = np.full(shape, np.nan)
        folds = np.zeros(shape, int)
        for part in parts:
            row = seeds.index(part.training.seed)
            inputs = part.patients.take(part.rows)
            predicted[row, part.rows] = self.of(part.training, inputs)
            folds[row, part.rows] = part.training.fold or 0
        return Predictions(*key, predicted, folds)

    def of(self, training: Training, inputs: Inputs) -> NDArray[np.float64]:
        """Predict with the model of one training.

        Args:
            training: the training, which must be finished.
            inputs: the n patients of one centre.

        Returns:
            (n,) predictions.
        """
        weights, shared = self.trained(training, inputs.centre)
        predicted: NDArray[np.float64] = self.task.predict(inputs, weights, shared)
        return predicted

    def trained(self, training: Training, centre: str) -> tuple[Weights, Shared]:
        """Load the weights that a training gives to a centre.

        Args:
            training: the training, which must be finished.
            centre: name of the centre; personalised strategies keep weights for each centre.

        Returns:
            The weights for the centre, and the shared arrays of the training.
        """
        checkpoint = self._checkpoint(training.name)
        strategy = strategy_of(self.config, training.kind)
        return strategy.weights_for(checkpoint.state, centre), checkpoint.shared
