"""Occlusion maps: where an image affects the prediction of a response model."""

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
"""Number of images with a hidden cube that are predicted in one call."""


def occlusion(
    predict: Callable[[Inputs], NDArray[np.float64]], patient: Inputs
) -> NDArray[np.float32]:
    """Compute how far the predicted probability falls when the cube around each voxel is hidden.

    A cube of four voxels a side is hidden by setting it to 0, the mean of z-scored images. Cubes
    that are 0 already are skipped.

    Args:
        predict: returns the probability (n,) of each row.
        patient: one row with its image (1, x, y, z, sequence).

    Returns:
        (x, y, z) probability with the whole image minus the probability with the cube hidden; 0 in
        skipped cubes.

    Reference:
        Zeiler 2014, arXiv:1311.2901.
    """
    shape = patient.image.shape[1:4]
    cubes: list[Any] = [
        tuple(slice(s, s + _SIDE) for s in corner)
        for corner in product(*(range(0, n, _SIDE) for n in shape))
    ]
    hidden = [c for c in cubes if patient.image[(0, *c)].any()]  # an empty cube has no effect
    relevance = np.zeros(shape, np.float32)
    whole = predict(patient)[0]
    for start in range(0, len(hidden), _BATCH):
        batch = hidden[start : start + _BATCH]
        values = predict(concatenate([_hidden(patient, cube) for cube in batch]))
        for cube, value in zip(batch, values, strict=True):
            relevance[cube] = whole - value
    return relevance


def _hidden(patient: Inputs, cube: Any) -> Inputs:
    image = patient.image.copy()
    image[(0, *cube)] = 0
    return replace(patient, image=image)
