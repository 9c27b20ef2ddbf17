"""Assigns patients to trainings so that no model predicts patients that it was trained on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.federation.folds import fold_of
from flame.federation.sections import TrainingConfig
from flame.federation.task import Patients
from flame.federation.trainings import FEDERATED, LOCAL, PERSONALISED, POOLED, Training

LEFT_OUT = "{} leave-one-out"
"""Name of a model that was trained without the held-out centre on which it is tested."""


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """A model, and patients of one centre that it was not trained on.

    Args:
        model: name of the model in tables.
        patients: patients of the test centre.
        training: training of the model.
        rows: (m,) indices of the patients that the model predicts.
    """

    model: str
    patients: Any
    training: Training
    rows: NDArray[np.intp]

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Centres that the model was trained on."""
        return self.training.centres


def out_of_sample(
    config: TrainingConfig, by_centre: list[Any], compared: tuple[str, ...] = ()
) -> Iterator[OutOfSample]:
    """List every model of a run at every centre, with the patients that it predicts.

    The models are local, personalised, federated, compared and pooled ones, and those trained
    without the test centre. A model that was trained at the test centre predicts the held-out
    fold; any other model predicts all patients.

    Args:
        config: folds and seeds.
        by_centre: patients of each centre.
        compared: names of strategies that are compared with the main one.

    Yields:
        Each model, seed, fold and test centre, with the rows that the model predicts.
    """
    centres = tuple(p.centre for p in by_centre)
    for patients in by_centre:
        for label, model in _models(config, patients.centre, centres, compared):
            for seed in config.seeds:
                for training, rows in _rows(config, patients, replace(model, seed=seed)):
                    yield OutOfSample(label, patients, training, rows)


def _models(
    config: TrainingConfig, centre: str, centres: tuple[str, ...], compared: tuple[str, ...]
) -> Iterator[tuple[str, Training]]:
    """Yield the name of every model tested at a centre, and its training with seed 0, no folds."""
    others = tuple(c for c in centres if c != centre)
    for origin in centres:
        yield LOCAL, Training(LOCAL, (origin,), 0, 0)
    if config.personalised:
        yield PERSONALISED, Training(PERSONALISED, (centre,), 0, 0)
    for kind in (FEDERATED, *compared, POOLED):
        yield kind, Training(kind, centres, 0, 0)
        if others:
            yield LEFT_OUT.format(kind), Training(kind, others, 0, 0, left_out=centre)


def _rows(
    config: TrainingConfig, patients: Patients, whole: Training
) -> Iterator[tuple[Training, NDArray[np.intp]]]:
    """Yield each fold with its rows if the model was trained at the centre, else all rows."""
    if patients.centre not in whole.centres:
        yield whole, np.arange(len(patients.pseudonyms))
        return
    folds = fold_of(patients, whole.seed, config.folds)
    for fold in range(config.folds):
        rows = np.flatnonzero(folds == fold)
        if len(rows):
            yield replace(whole, folds=config.folds, fold=fold), rows
