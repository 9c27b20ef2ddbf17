"""A patient's images on a cube of voxels around the tumour, as forecasts need them."""

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
"""Voxels per side of the cube and side length of a voxel in mm: a cube of 120 mm."""
SHAPE = (SIDE,) * 3
"""Shape of the cube."""
_LARGEST_LOSS_ML = 0.5
"""Largest volume of the tumour in ml that may lie outside the cube."""

Matrix = NDArray[np.float64]


def cube_around(mask: LabelMap) -> Matrix:
    """Return the RAS+ affine (4, 4) in mm of a cube around a mask, along the axes of the world.

    Args:
        mask: tumour mask; its centre of mass becomes the centre of the cube.

    Example:
        >>> cube_around(LabelMap(np.ones((1, 1, 1), np.uint8), np.eye(4)))[:3, 3]
        array([-58.5, -58.5, -58.5])
    """
    centre = mask.affine @ [*center_of_mass(mask.voxels > 0), 1]
    grid = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    grid[:3, 3] = centre[:3] - VOXEL_MM * (SIDE - 1) / 2
    return grid


def around_tumour(patient: Patient) -> Patient:
    """Return a patient with all scans, masks and doses on a cube around the tumour.

    The cube is centred on the last mask up to the start of radiotherapy. A patient is returned
    without images, with the reason in ``left_out``, if there is no such mask, if the images lie on
    a template other than MNI152, or if a tumour exceeds the cube.

    Args:
        patient: patient with images.
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
    """Return a patient on the cube; see ``around_tumour``.

    Args:
        patient: patient with images.

    Raises:
        BadInput: the patient would be left out.
    """
    found = around_tumour(patient)
    if found.left_out:
        raise BadInput(f"patient {patient.pseudonym} has {found.left_out}")
    return found


def _without(patient: Patient, reason: str) -> Patient:
    return replace(patient, timepoints=(), left_out=reason)


def _lost_ml(old: Timepoint, new: Timepoint) -> float:
    """Return the tumour volume in ml outside the cube; 10 % is attributed to the coarser grid."""
    if old.tumour is None or new.tumour is None:
        return 0.0
    return 0.9 * old.tumour.volume - new.tumour.volume
