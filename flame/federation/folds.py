"""Cross-validation folds that every centre can compute alone, whatever order its patients have."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from flame.federation.task import Patients


def fold_of(patients: Patients, seed: int, folds: int, purpose: str = "") -> NDArray[np.intp]:
    """Fold of each patient: the patients of each group in turn, dealt out by a seeded hash."""

    def rank(index: np.intp) -> str:
        text = f"{purpose}{seed}:{patients.centre}:{patients.pseudonyms[index]}"
        return hashlib.sha256(text.encode()).hexdigest()

    groups = patients.groups
    assigned, dealt = np.zeros(len(groups), int), 0
    for group in np.unique(groups):
        for index in sorted(np.flatnonzero(groups == group), key=rank):
            assigned[index] = dealt % folds
            dealt += 1
    return assigned


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
