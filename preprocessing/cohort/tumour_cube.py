"""Resampling of a patient's images to a cube around the tumour, which forecasts need."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, gaussian_filter

from flame.core.cohort import Patient
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

    The cube is centred on the mask from which a forecast starts, see ``Patient.start``.

    Args:
        patient: patient with images.

    Returns:
        Patient on the cube. The patient has no images, and the reason in ``left_out``, if no such
        mask exists, if the images were registered to a template other than MNI152, or if a tumour
        exceeds the cube.
    """
    baseline = patient.start
    if baseline is None:
        return _without(patient, "no tumour mask: draw a GTV, or predict one")
    if baseline.template not in ("", MNI152):
        return _without(
            patient,
            f"images registered to {baseline.template}, but tissue maps exist only for {MNI152}: "
            "run flame preprocess without a template of your own",
        )
    assert baseline.tumour is not None
    grid = cube_around(baseline.tumour)
    moved = []
    for timepoint in patient.timepoints:
        tumour, lost_ml = None, 0.0
        if timepoint.tumour is not None:
            tumour, lost_ml = coarse(timepoint.tumour, grid)
        if lost_ml > _LARGEST_LOSS_ML:
            return _without(
                patient,
                "a tumour that reaches beyond the cube of "
                f"{SIDE * VOXEL_MM:.0f} mm: exclude the days on which it does in decisions.tsv",
            )
        moved.append(replace(on_grid(timepoint, grid, SHAPE, "tumour cube"), tumour=tumour))
    return replace(patient, timepoints=tuple(moved))


def coarse(mask: LabelMap, grid: Matrix) -> tuple[LabelMap, float]:
    """Move a mask to the cube and keep its volume, which thin rims would lose on coarse voxels.

    The voxels with the largest share of tumour are taken, as many as have the volume of the mask.

    Args:
        mask: tumour mask.
        grid: RAS+ affine (4, 4) of the cube in mm.

    Returns:
        The mask on the cube, and the volume in ml that lies outside of it.
    """
    voxel = abs(float(np.linalg.det(mask.affine[:3, :3])))
    longest = float(np.linalg.norm(mask.affine[:3, :3], axis=0).max())
    finer = max(1, int(np.ceil(2 * longest / VOXEL_MM)))
    inside = np.argwhere(mask.voxels > 0)
    part = (np.indices((finer,) * 3).reshape(3, -1).T + 0.5) / finer - 0.5
    points = (inside[:, None] + part[None]).reshape(-1, 3)
    to_cube = np.linalg.inv(grid) @ mask.affine
    place = np.rint(points @ to_cube[:3, :3].T + to_cube[:3, 3]).astype(int)
    there = ((place >= 0) & (place < SIDE)).all(axis=1)
    share = np.zeros(SHAPE)
    np.add.at(share, tuple(place[there].T), voxel / finer**3 / VOXEL_MM**3)
    count = round(float(share.sum()))
    # Of equal shares, the voxel with more tumour around it comes first.
    order = share + 1e-3 * gaussian_filter(share, 1.0)
    chosen = np.zeros(share.size, np.uint8)
    chosen[np.argsort(-order.ravel(), kind="stable")[:count]] = 1
    lost = float((~there).sum()) * voxel / finer**3 / 1000
    return LabelMap(chosen.reshape(SHAPE), grid), lost


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
