"""Which training of a run predicts whom: no patient is predicted by a model it made."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.federation.folds import fold_of
from flame.federation.sections import TrainingConfig
from flame.federation.task import Patients
from flame.federation.trainings import (
    FEDERATED,
    LOCAL,
    PERSONALISED,
    POOLED,
    Federation,
    local,
    personalised,
    without,
)

LEFT_OUT = "{} leave-one-out"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """``rows`` of ``patients`` that ``federation`` never saw; ``model`` and its centres."""

    model: str
    trained_on: str
    patients: Any
    federation: Federation
    rows: NDArray[np.intp]


def held_out(
    training: TrainingConfig, by_centre: list[Any], compared: tuple[str, ...] = ()
) -> Iterator[HeldOut]:
    """Local, federated and pooled models at every centre, and those that never saw it.

    ``compared`` are further strategies.
    """
    centres = [p.centre for p in by_centre]
    for patients in by_centre:
        others = [c for c in centres if c != patients.centre]
        models = [(LOCAL, local(origin), [origin]) for origin in centres]
        if training.personalised:
            models.append((PERSONALISED, personalised(patients.centre), [patients.centre]))
        for kind in (FEDERATED, *compared, POOLED):
            models.append((kind, kind, centres))
            if others:
                models.append((LEFT_OUT.format(kind), without(kind, patients.centre), others))
        for label, name, origin in models:
            for seed in training.seeds:
                for federation, rows in _rows(training, patients, name, origin, seed):
                    yield HeldOut(label, "+".join(origin), patients, federation, rows)


def _rows(
    training: TrainingConfig, patients: Patients, name: str, origin: list[str], seed: int
) -> Iterator[tuple[Federation, NDArray[np.intp]]]:
    """Out-of-fold where the model was trained at this centre, else the whole model for all."""
    if patients.centre not in origin:
        yield Federation(name, tuple(origin), seed, 0), np.arange(len(patients.pseudonyms))
        return
    folds = fold_of(patients, seed, training.folds)
    for fold in range(training.folds):
        rows = np.flatnonzero(folds == fold)
        if len(rows):
            yield Federation(name, tuple(origin), seed, training.folds, fold), rows
