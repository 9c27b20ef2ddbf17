"""Where an image matters to a response model: its prediction with one cube after another hidden."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.models.response.inputs import Inputs, concatenate

_SIDE = 4
_BATCH = 64


def occlusion(
    predict: Callable[[Inputs], NDArray[np.float64]], patient: Inputs
) -> NDArray[np.float32]:
    """How far the probability falls (x, y, z) when the cube around a voxel is put at the mean.

    After Zeiler 2014 (arXiv:1311.2901), cubes of four voxels a side; ``patient`` is one row.
    Images are z-scored, so that their mean is 0.
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
