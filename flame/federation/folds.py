"""Cross-validation folds that every centre can compute alone, whatever order its patients have."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from flame.federation.task import Patients


def fold_of(patients: Patients, seed: int, folds: int, purpose: str = "") -> NDArray[np.intp]:
    """Fold of each row: the persons of each group in turn, dealt out by a seeded hash.

    All rows of a person share a fold; the highest group among them is the person's.
    """

    def rank(name: str) -> str:
        text = f"{purpose}{seed}:{patients.centre}:{name}"
        return hashlib.sha256(text.encode()).hexdigest()

    persons = patients.persons or patients.pseudonyms
    group_of: dict[str, int] = {}
    for name, group in zip(persons, patients.groups.tolist(), strict=True):
        group_of[name] = max(group, group_of.get(name, group))
    dealt = sorted(group_of, key=lambda name: (group_of[name], rank(name)))
    fold = {name: place % folds for place, name in enumerate(dealt)}
    return np.array([fold[name] for name in persons], int)


def training_rows(patients: Patients, seed: int, folds: int, fold: int | None) -> NDArray[np.intp]:
    """Labelled rows outside the held-out fold, or all labelled ones where ``fold`` is None."""
    rows = patients.labelled
    if fold is None:
        return rows
    return np.asarray(rows[fold_of(patients, seed, folds)[rows] != fold])


def calibration_rows(patients: Patients, seed: int, one_in: int) -> NDArray[np.bool_]:
    """Which of the patients of a training calibrate it: every ``one_in``-th, 0 nobody."""
    if not one_in:
        return np.zeros(len(patients.pseudonyms), bool)
    return np.asarray(fold_of(patients, seed, one_in, "calibration ") == 0)
