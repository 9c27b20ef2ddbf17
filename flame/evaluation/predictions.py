"""Predictions of every model of a run at every centre, no patient predicted by a model it made."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.checkpoint import checkpoint_path, load_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.folds import fold_of
from flame.federation.plan import FEDERATED, LOCAL, POOLED, Federation, local, without
from flame.models.inputs import Inputs
from flame.models.response import ResponseModel
from flame.preprocessing.standardisation import standardise

LEFT_OUT = "{} leave-one-out"


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
        training = config.training
        self.model = ResponseModel(config.model, training.optimizer, training.learning_rate)
        self.model.build(inputs[0].image.shape[1:], seed=0)

    def all(self) -> list[Predictions]:
        """Local, federated and pooled models, and those that never saw the tested centre."""
        centres = [i.centre for i in self.inputs]
        found = []
        for inputs in self.inputs:
            here = inputs.centre
            for origin in centres:
                found.append(self._at(LOCAL, local(origin), [origin], inputs))
            for kind in (FEDERATED, POOLED):
                found.append(self._at(kind, kind, centres, inputs))
                others = [c for c in centres if c != here]
                if others:
                    name = LEFT_OUT.format(kind)
                    found.append(self._at(name, without(kind, here), others, inputs))
        return found

    def _at(self, label: str, model: str, origin: list[str], inputs: Inputs) -> Predictions:
        """Out-of-fold where the model was trained at this centre, else the whole model."""
        training = self.config.training
        rows, folds = [], []
        for seed in training.seeds:
            if inputs.centre not in origin:
                rows.append(self._one(Federation(model, tuple(origin), seed, 0), inputs))
                folds.append(np.zeros(len(inputs.response), int))
                continue
            fold = fold_of(inputs, seed, training.folds)
            probability = np.full(len(inputs.response), np.nan)
            for number in range(training.folds):
                tested = np.flatnonzero(fold == number)
                federation = Federation(model, tuple(origin), seed, training.folds, number)
                if len(tested):
                    probability[tested] = self._one(federation, inputs.take(tested))
            rows.append(probability)
            folds.append(fold)
        return Predictions(label, "+".join(origin), inputs.centre, np.array(rows), np.array(folds))

    def _one(self, federation: Federation, inputs: Inputs) -> NDArray[np.float64]:
        path = checkpoint_path(self.run, federation.name)
        checkpoint = load_checkpoint(path)
        if checkpoint is None or checkpoint.round < self.config.training.rounds:
            raise BadInput(f"{self.run}: training has not finished; run flame train again to go on")
        clinical = standardise(inputs.clinical, checkpoint.moments)
        return self.model.probability(checkpoint.state.weights, inputs, clinical)
