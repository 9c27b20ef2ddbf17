"""Predictions of every model of a run at every centre, no patient predicted by a model it made."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Weights
from flame.evaluation.metrics.out_of_sample import HeldOut, held_out
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.strategies.chosen import strategy_of
from flame.federation.task import Shared, open_task
from flame.federation.trainings import Federation
from flame.models.response.inputs import Inputs


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities of one model at one centre: ``by_seed`` (seed, patient).

    ``folds`` (seed, patient) tells which patients one and the same model predicted.
    """

    model: str
    trained_on: str
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
        self.task: Any = open_task(config)
        self._checkpoint = lru_cache(maxsize=16)(lambda name: finished(run, name))

    def all(self) -> list[Predictions]:
        """Local, federated and pooled models, and those that never saw the tested centre."""
        training = self.config.training
        groups: dict[tuple[str, str, str], list[HeldOut]] = {}
        for held in held_out(training, self.inputs, self.config.federation.compare):
            key = (held.model, held.trained_on, held.patients.centre)
            groups.setdefault(key, []).append(held)
        return [self._together(key, parts) for key, parts in groups.items()]

    def _together(self, key: tuple[str, str, str], parts: list[HeldOut]) -> Predictions:
        seeds = self.config.training.seeds
        shape = (len(seeds), len(parts[0].patients.pseudonyms))
        probability, folds = np.full(shape, np.nan), np.zeros(shape, int)
        for held in parts:
            row = seeds.index(held.federation.seed)
            inputs = held.patients.take(held.rows)
            probability[row, held.rows] = self.of(held.federation, inputs)
            folds[row, held.rows] = held.federation.fold or 0
        return Predictions(*key, probability, folds)

    def of(self, federation: Federation, inputs: Inputs) -> NDArray[np.float64]:
        """What the model of a training predicts (n,)."""
        found: NDArray[np.float64] = self.task.predict(
            inputs, *self.trained(federation, inputs.centre)
        )
        return found

    def trained(self, federation: Federation, centre: str) -> tuple[Weights, Shared]:
        """Weights of a training as they are used at a centre, and what was learned beside them."""
        checkpoint = self._checkpoint(federation.name)
        strategy = strategy_of(self.config, federation.model.split("-without-")[0])
        return strategy.weights_for(checkpoint.state, centre), checkpoint.shared
