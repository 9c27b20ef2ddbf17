"""Cross-validation folds that every centre can compute alone, whatever order its patients have."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from flame.models.inputs import Inputs


def fold_of(inputs: Inputs, seed: int, folds: int) -> NDArray[np.intp]:
    """Fold of each patient: responders, non-responders and unknown dealt out by a seeded hash."""

    def rank(index: np.intp) -> str:
        text = f"{seed}:{inputs.centre}:{inputs.pseudonyms[index]}"
        return hashlib.sha256(text.encode()).hexdigest()

    assigned = np.zeros(len(inputs.response), int)
    dealt = 0
    unknown = np.isnan(inputs.response)
    for group in (inputs.response == 0, inputs.response == 1, unknown):
        for index in sorted(np.flatnonzero(group), key=rank):
            assigned[index] = dealt % folds
            dealt += 1
    return assigned


def training_rows(inputs: Inputs, seed: int, folds: int, fold: int | None) -> NDArray[np.intp]:
    """Labelled rows outside the held-out fold, or all labelled ones where ``fold`` is None."""
    if fold is None:
        return inputs.labelled
    rows = inputs.labelled
    return np.asarray(rows[fold_of(inputs, seed, folds)[rows] != fold])
