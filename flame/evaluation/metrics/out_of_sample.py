"""Which training of a run predicts whom: no patient is predicted by a model it made."""

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


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """``rows`` of ``patients`` that ``training`` never saw; ``model`` is its name in tables."""

    model: str
    patients: Any
    training: Training
    rows: NDArray[np.intp]

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The centres that the model was trained on."""
        return self.training.centres


def out_of_sample(
    config: TrainingConfig, by_centre: list[Any], compared: tuple[str, ...] = ()
) -> Iterator[OutOfSample]:
    """Local, federated and pooled models at every centre, and those that never saw it.

    Args:
        config: folds and seeds.
        by_centre: the patients of each centre.
        compared: further strategies.
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
    """Names in tables and trainings, whole and of seed 0, of all models tested at a centre."""
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
    """Out-of-fold where the model was trained at this centre, else the whole model for all."""
    if patients.centre not in whole.centres:
        yield whole, np.arange(len(patients.pseudonyms))
        return
    folds = fold_of(patients, whole.seed, config.folds)
    for fold in range(config.folds):
        rows = np.flatnonzero(folds == fold)
        if len(rows):
            yield replace(whole, folds=config.folds, fold=fold), rows
