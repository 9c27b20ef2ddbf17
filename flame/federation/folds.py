"""Cross-validation folds that every centre can compute alone, whatever order its patients have."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from flame.models.inputs import Inputs


def fold_of(inputs: Inputs, seed: int, folds: int) -> NDArray[np.intp]:
    """Fold of each patient: responders and non-responders dealt out in turn, by a seeded hash."""

    def rank(index: np.intp) -> str:
        text = f"{seed}:{inputs.centre}:{inputs.pseudonyms[index]}"
        return hashlib.sha256(text.encode()).hexdigest()

    assigned = np.zeros(len(inputs.response), int)
    dealt = 0
    for label in (0.0, 1.0):
        for index in sorted(np.flatnonzero(inputs.response == label), key=rank):
            assigned[index] = dealt % folds
            dealt += 1
    return assigned


def training_rows(inputs: Inputs, seed: int, folds: int, fold: int | None) -> NDArray[np.intp]:
    """Rows a training may see: all but the held-out fold, or all where ``fold`` is None."""
    if fold is None:
        return np.arange(len(inputs.response))
    return np.flatnonzero(fold_of(inputs, seed, folds) != fold)
