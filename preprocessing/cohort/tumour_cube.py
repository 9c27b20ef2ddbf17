"""Resampling of a patient's images to a cube around the tumour, which forecasts need."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import LabelMap
from flame.preprocessing.stages.atlas_registration import MNI152
from flame.preprocessing.stages.resampling import on_grid

SIDE = 40
"""Voxels along each side of the cube."""
VOXEL_MM = 3.0
"""Side length of a voxel in mm; the side of the cube is 120 mm."""
SHAPE = (SIDE,) * 3
"""Shape (x, y, z) of the cube in voxels."""
_LARGEST_LOSS_ML = 0.5
"""Largest volume of the tumour in ml that may lie outside the cube."""

Matrix = NDArray[np.float64]


def cube_around(mask: LabelMap) -> Matrix:
    """Compute the grid of the cube around a mask, along the axes of the world.

    Args:
        mask: tumour mask; its centre of mass becomes the centre of the cube.

    Returns:
        RAS+ affine (4, 4) of the cube in mm.

    Example:
        >>> cube_around(LabelMap(np.ones((1, 1, 1), np.uint8), np.eye(4)))[:3, 3]
        array([-58.5, -58.5, -58.5])
    """
    centre = mask.affine @ [*center_of_mass(mask.voxels > 0), 1]
    grid = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    grid[:3, 3] = centre[:3] - VOXEL_MM * (SIDE - 1) / 2
    return grid


def around_tumour(patient: Patient) -> Patient:
    """Resample all scans, masks and doses of a patient to a cube around the tumour.

    The cube is centred on the last tumour mask up to the start of radiotherapy.

    Args:
        patient: patient with images.

    Returns:
        Patient on the cube. The patient has no images, and the reason in ``left_out``, if no such
        mask exists, if the images were registered to a template other than MNI152, or if a tumour
        exceeds the cube.
    """
    before = [
        t
        for t in patient.timepoints
        if t.day <= 0 and t.tumour is not None and t.tumour.voxels.any()
    ]
    if not before:
        return _without(patient, "no tumour mask before radiotherapy: draw a GTV, or predict one")
    baseline = before[-1]
    if baseline.template not in ("", MNI152):
        return _without(
            patient,
            f"images registered to {baseline.template}, but tissue maps exist only for {MNI152}: "
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
    """Resample a patient to the cube, as ``around_tumour`` does, or raise the reason against it.

    Args:
        patient: patient with images.

    Returns:
        Patient on the cube.

    Raises:
        BadInput: ``around_tumour`` would leave the patient out.
    """
    moved = around_tumour(patient)
    if moved.left_out:
        raise BadInput(f"patient {patient.pseudonym} has {moved.left_out}")
    return moved


def _without(patient: Patient, reason: str) -> Patient:
    return replace(patient, timepoints=(), left_out=reason)


def _lost_ml(old: Timepoint, new: Timepoint) -> float:
    """Return the tumour volume in ml outside the cube; 10 % is attributed to the coarser grid."""
    if old.tumour is None or new.tumour is None:
        return 0.0
    return 0.9 * old.tumour.volume - new.tumour.volume
