"""A patient on a cube of voxels around the tumour, as forecasts of it want."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import LabelMap
from flame.preprocessing.stages.atlas_registration import MNI152
from flame.preprocessing.stages.resampling import on_grid

SIDE, VOXEL_MM = 40, 3.0
"""A cube of 120 mm."""
SHAPE = (SIDE,) * 3
_LARGEST_LOSS_ML = 0.5

Matrix = NDArray[np.float64]


def cube_around(mask: LabelMap) -> Matrix:
    """RAS+ affine of a cube of SIDE voxels of VOXEL_MM along the axes of the world."""
    centre = mask.affine @ [*center_of_mass(mask.voxels > 0), 1]
    grid = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    grid[:3, 3] = centre[:3] - VOXEL_MM * (SIDE - 1) / 2
    return grid


def around_tumour(patient: Patient) -> Patient:
    """Return ``patient`` with all scans, masks and doses on a cube around the tumour.

    The cube is centred on the last mask before radiotherapy. Where there is none, or where the cube
    would show something wrong, the patient comes without images and ``left_out`` says why.
    """
    before = [
        t
        for t in patient.timepoints
        if t.day <= 0 and t.tumour is not None and t.tumour.voxels.any()
    ]
    if not before:
        return _without(patient, "no tumour mask before radiotherapy: draw a GTV, or predict one")
    baseline = before[-1]
    if baseline.space not in ("", MNI152):
        return _without(
            patient,
            f"images on {baseline.space}, but tissues are known on {MNI152} only: "
            "run flame preprocess without a template of your own",
        )
    assert baseline.tumour is not None
    grid = cube_around(baseline.tumour)
    moved = tuple(on_grid(t, grid, SHAPE, "tumour cube") for t in patient.timepoints)
    for old, new in zip(patient.timepoints, moved, strict=True):
        if _lost_ml(old, new) > _LARGEST_LOSS_ML:
            return _without(
                patient,
                "a tumour that reaches beyond the cube of "
                f"{SIDE * VOXEL_MM:.0f} mm: exclude the days on which it does in decisions.tsv",
            )
    return replace(patient, timepoints=moved)


def on_cube(patient: Patient) -> Patient:
    """As ``around_tumour``; BadInput where that leaves the patient out."""
    found = around_tumour(patient)
    if found.left_out:
        raise BadInput(f"patient {patient.pseudonym} has {found.left_out}")
    return found


def _without(patient: Patient, reason: str) -> Patient:
    return replace(patient, timepoints=(), left_out=reason)


def _lost_ml(old: Timepoint, new: Timepoint) -> float:
    """Volume of the tumour that the cube does not hold; a tenth is the coarser grid's."""
    if old.tumour is None or new.tumour is None:
        return 0.0
    return 0.9 * old.tumour.volume - new.tumour.volume
