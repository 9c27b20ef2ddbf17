"""A site: holds the cohort of its centre and answers the coordinator. Knows no engine.

Only what the methods return leaves the site: weights, counts and sums.
"""

import hashlib
import time
from typing import Any

import numpy as np

from flame import __version__
from flame.core.scores import Weights
from flame.federation.config import TrainConfig
from flame.federation.folds import training_rows
from flame.models.inputs import Inputs, concatenate
from flame.models.response import ResponseModel
from flame.preprocessing.standardisation import Moments, merge, standardise, summarise

Message = dict[str, Any]


def derived_rng(*names: object) -> np.random.Generator:
    """A generator that depends on ``names`` alone, so that any round can be repeated."""
    digest = hashlib.sha256(":".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


class Site:
    """Trains on the inputs of one centre; of several only where they may be pooled."""

    def __init__(self, config: TrainConfig, inputs: list[Inputs]) -> None:
        self.config = config
        self.inputs = inputs
        training = config.training
        self.model = ResponseModel(config.model, training.optimizer, training.learning_rate)

    def describe(self) -> Message:
        """The version in use, so that sites of another one are found before training."""
        return {"version": __version__}

    def initial_weights(self, seed: int) -> Message:
        """Initial weights of the model; the same at every site."""
        return {"weights": self.model.build(self.inputs[0].image.shape[1:], seed)}

    def summarise(self, seed: int, folds: int, fold: int, centres: list[str]) -> Message:
        """Counts, means and sums of squares of the clinical features of the training patients.

        ``fold`` -1 holds nobody out.
        """
        moments = merge([summarise(i.clinical) for i in self._training(seed, folds, fold, centres)])
        return {"count": moments.count, "mean": moments.mean, "squares": moments.squares}

    def train(
        self,
        name: str,
        number: int,
        weights: Weights,
        moments: Message,
        seed: int,
        folds: int,
        fold: int,
        centres: list[str],
    ) -> Message:
        """Train round ``number`` of the training ``name`` from ``weights``."""
        started = time.perf_counter()
        inputs = concatenate(self._training(seed, folds, fold, centres))
        clinical = standardise(inputs.clinical, Moments(**moments))
        self.model.build(inputs.image.shape[1:], seed)
        training = self.config.training
        updated, loss = self.model.fit(
            weights, inputs, clinical, training.epochs, training.batch_size,
            derived_rng(name, number, inputs.centre),
        )  # fmt: skip
        return {
            "weights": updated,
            "patients": len(inputs.response),
            "loss": loss,
            "seconds": time.perf_counter() - started,
        }

    def _training(self, seed: int, folds: int, fold: int, centres: list[str]) -> list[Inputs]:
        held_out = None if fold < 0 else fold
        return [
            i.take(training_rows(i, seed, folds, held_out))
            for i in self.inputs
            if i.centre in centres
        ]
