"""A patient on a cube of voxels around the tumour, as forecasts of it want."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass

from flame.core.cohort import Patient
from flame.core.errors import BadInput
from flame.core.imaging import LabelMap
from flame.preprocessing.resampling import on_grid

SIDE, VOXEL_MM = 40, 3.0
"""A cube of 120 mm."""
SHAPE = (SIDE,) * 3

Matrix = NDArray[np.float64]


def cube_around(mask: LabelMap) -> Matrix:
    """RAS+ affine of a cube of SIDE voxels of VOXEL_MM along the axes of the world."""
    centre = mask.affine @ [*center_of_mass(mask.voxels > 0), 1]
    grid = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    grid[:3, 3] = centre[:3] - VOXEL_MM * (SIDE - 1) / 2
    return grid


def on_cube(patient: Patient) -> Patient:
    """Return ``patient`` with all scans, masks and doses on a cube around the tumour.

    The cube is centred on the last mask before radiotherapy; BadInput where there is none.
    """
    before = [
        t.tumour
        for t in patient.timepoints
        if t.day <= 0 and t.tumour is not None and t.tumour.voxels.any()
    ]
    if not before:
        raise BadInput(
            f"patient {patient.pseudonym} has no tumour mask before radiotherapy: draw a GTV, or "
            "predict one"
        )
    grid = cube_around(before[-1])
    return replace(
        patient,
        timepoints=tuple(on_grid(t, grid, SHAPE, "tumour cube") for t in patient.timepoints),
    )


def around_tumour(patient: Patient) -> Patient:
    """As ``on_cube``; without images where there is no mask to put a cube around."""
    try:
        return on_cube(patient)
    except BadInput:
        return replace(patient, timepoints=())
