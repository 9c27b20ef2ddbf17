"""Cross-validation folds that each centre computes alone, whatever the order of its patients."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from flame.federation.task import Patients


def fold_of(patients: Patients, seed: int, folds: int, purpose: str = "") -> NDArray[np.intp]:
    """Assign each row to a fold, balanced over the groups of patients or independent of others.

    All rows of a person share a fold, and a person's group is the highest of its rows. Persons are
    sorted by group and then by the SHA-256 of ``purpose``, seed, centre and name. The fold of a
    person is its place in this order modulo ``folds``. If the folds of the patients are
    ``independent``, it is that SHA-256 modulo ``folds``, so that one patient moves no other.

    Args:
        patients: the patients of one centre, n rows.
        seed: decides the order within a group.
        folds: number of folds.
        purpose: text that separates this split from other splits of the same patients.

    Returns:
        Fold (n,) of each row, 0 to ``folds`` - 1.

    Example:
        Each fold gets two of the four persons.

        >>> from flame.models.segmentation.case_table import Cases
        >>> patients = Cases("UCSF", ("p1", "p2", "p3", "p4"), ((1,), (1,), (1,), (1,)))
        >>> np.bincount(fold_of(patients, seed=0, folds=2)).tolist()
        [2, 2]
    """

    def rank(name: str) -> str:
        text = f"{purpose}{seed}:{patients.centre}:{name}"
        return hashlib.sha256(text.encode()).hexdigest()

    persons = patients.persons or patients.pseudonyms
    if patients.independent:
        return np.array([int(rank(name), 16) % folds for name in persons], int)
    group_of: dict[str, int] = {}
    for name, group in zip(persons, patients.groups.tolist(), strict=True):
        group_of[name] = max(group, group_of.get(name, group))
    ordered = sorted(group_of, key=lambda name: (group_of[name], rank(name)))
    fold = {name: place % folds for place, name in enumerate(ordered)}
    return np.array([fold[name] for name in persons], int)


def training_rows(patients: Patients, seed: int, folds: int, fold: int | None) -> NDArray[np.intp]:
    """Select the rows that a training learns from.

    Args:
        patients: the patients of one centre.
        seed: seed of the folds.
        folds: number of folds.
        fold: the fold that is held out; None: no fold.

    Returns:
        Indices (m,) of the labelled rows outside the held-out fold.
    """
    rows = patients.labelled
    if fold is None:
        return rows
    return np.asarray(rows[fold_of(patients, seed, folds)[rows] != fold])


def calibration_rows(patients: Patients, seed: int, one_in: int) -> NDArray[np.bool_]:
    """Select every ``one_in``-th patient of a training for calibration or validation.

    Args:
        patients: the patients of one centre that the training may use, n rows.
        seed: decides which patients are selected.
        one_in: one patient in ``one_in`` is selected; 0: no patient.

    Returns:
        Mask (n,), True for rows that are held out from training.
    """
    if not one_in:
        return np.zeros(len(patients.pseudonyms), bool)
    return np.asarray(fold_of(patients, seed, one_in, "calibration ") == 0)
