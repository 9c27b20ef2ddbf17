"""Shows where an image matters to a response model, by hiding one cube after another."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.models.response.inputs import Inputs, concatenate

_SIDE = 4
"""Voxels along the side of a hidden cube."""
_BATCH = 64
"""Images with a hidden cube that are predicted at once."""


def occlusion(
    predict: Callable[[Inputs], NDArray[np.float64]], patient: Inputs
) -> NDArray[np.float32]:
    """Return how far the predicted probability falls when the cube around each voxel is hidden.

    Cubes of four voxels a side are set to 0, which is the mean of z-scored images. Cubes that are 0
    already are skipped.

    Args:
        predict: returns the probability (n,) of each row.
        patient: one row with its image (1, x, y, z, sequence).

    Returns:
        (x, y, z) probability of the whole image minus that with the cube hidden.

    Reference:
        Zeiler 2014, arXiv:1311.2901.
    """
    shape = patient.image.shape[1:4]
    cubes: list[Any] = [
        tuple(slice(s, s + _SIDE) for s in corner)
        for corner in product(*(range(0, n, _SIDE) for n in shape))
    ]
    shown = [c for c in cubes if patient.image[(0, *c)].any()]  # hiding nothing changes nothing
    found = np.zeros(shape, np.float32)
    whole = predict(patient)[0]
    for start in range(0, len(shown), _BATCH):
        part = shown[start : start + _BATCH]
        values = predict(concatenate([_hidden(patient, cube) for cube in part]))
        for cube, value in zip(part, values, strict=True):
            found[cube] = whole - value
    return found


def _hidden(patient: Inputs, cube: Any) -> Inputs:
    image = patient.image.copy()
    image[(0, *cube)] = 0
    return replace(patient, image=image)
