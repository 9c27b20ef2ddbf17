"""Registration of a planning CT to an MRI of the same patient, with checks that fail.

The volumes are registered twice, with exchanged roles: a result that depends on the roles is a
guess. Then the brain of the MRI must lie on soft tissue of the CT, and not on its bone. The limits
were chosen on simulated pairs that were moved by 3, 5 and 10 mm, of other seeds than those that
``benchmarks/ct_to_mr.py`` reports: at the true place 0.1 to 1.3 % of the brain lay on bone, 2.2 to
4.5 % at 3 mm, 4.2 to 6.9 % at 5 mm, and 9.3 to 12.2 % at 10 mm (whole heads).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from flame.core.errors import StageFailed
from flame.core.imaging import LabelMap, Scan
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.planning_ct import read_hounsfield
from flame.preprocessing.stages.linear_registration import Matrix, register

_AGREEMENT_MM = 2.0
"""Largest distance in mm, over the brain, of the results of both directions."""
_LEAST_NATS = 0.05
"""Mutual information in nats below which two images have nothing in common."""
_MOST_BONE = 0.03
"""Largest share of the brain on bone of the CT."""
_LEAST_SOFT = 0.85
"""Smallest share of the brain on soft tissue of the CT."""
_LEAST_COVERED = 0.6
"""Smallest share of the brain within the field of view of the CT."""
_BONE_HU = 250.0
"""CT number above which a voxel is bone."""
_SOFT_HU = (-30.0, 110.0)
"""CT numbers of brain, cerebrospinal fluid and blood, with noise."""
_EVERY = 37
"""Distance of the voxels of the brain at which a result is checked."""
_REMEDY = "add a Spatial Registration object"


def ct_to_scan(ct: Geometry, scan: Scan, brain: LabelMap) -> Matrix:
    """Register a CT series rigidly to a scan.

    Args:
        ct: checked geometry of the CT series.
        scan: T1C or T1 of the whole head.
        brain: brain mask in the world of the scan.

    Returns:
        RAS+ matrix (4, 4) in mm from the world of the CT to that of the scan.

    Raises:
        StageFailed: the images share too little information, or both directions disagree.
        UnreadableImage: a slice of the CT cannot be read.
    """
    return register_ct(read_hounsfield(ct), ct.affine, scan, brain)


def register_ct(values: NDArray[np.float32], affine: Matrix, scan: Scan, brain: LabelMap) -> Matrix:
    """Register CT numbers rigidly to a scan.

    Args:
        values: CT numbers (x, y, z) in HU.
        affine: their RAS+ affine (4, 4) in mm.
        scan: T1C or T1 of the whole head.
        brain: brain mask in the world of the scan.

    Returns:
        RAS+ matrix (4, 4) in mm from the world of the CT to that of the scan.

    Raises:
        StageFailed: the images share too little information, or both directions disagree.
    """
    images = (scan.voxels, scan.affine), (values, affine)
    there = register(*images[0], *images[1], "rigid", least_nats=_LEAST_NATS)
    back = register(*images[1], *images[0], "rigid", least_nats=_LEAST_NATS)
    apart = distance(there, np.asarray(np.linalg.inv(back), float), brain)
    if apart > _AGREEMENT_MM:
        raise StageFailed(
            f"the CT cannot be registered to {scan.sequence}: two ways of doing so differ by "
            f"{apart:.0f} mm; {_REMEDY}"
        )
    _check_tissue(values, there @ affine, brain)
    return there


def _points(brain: LabelMap) -> NDArray[np.float64]:
    """Return every _EVERYth voxel of the brain as homogeneous points (n, 4) of the world in mm."""
    index = np.argwhere(brain.voxels)[::_EVERY]
    return np.asarray(np.c_[index, np.ones(len(index))] @ brain.affine.T)


def _check_tissue(values: NDArray[np.float32], affine: Matrix, brain: LabelMap) -> None:
    """Raise StageFailed if the brain does not lie where the CT shows one."""
    place = (_points(brain) @ np.linalg.inv(affine).T)[:, :3]
    shown = ((place > -0.5) & (place < np.array(values.shape) - 0.5)).all(axis=1)
    if shown.mean() < _LEAST_COVERED:
        raise StageFailed(
            f"the CT shows only {shown.mean():.0%} of the brain after registration; {_REMEDY}"
        )
    found = map_coordinates(values, place[shown].T, order=1, mode="nearest")
    bone = float((found > _BONE_HU).mean())
    soft = float(((found > _SOFT_HU[0]) & (found < _SOFT_HU[1])).mean())
    if bone > _MOST_BONE or soft < _LEAST_SOFT:
        raise StageFailed(
            f"after registration {bone:.0%} of the brain lies on bone of the CT and {soft:.0%} on "
            f"soft tissue, so it is not trusted; {_REMEDY}"
        )


def distance(a: Matrix, b: Matrix, brain: LabelMap) -> float:
    """Measure how far two movements to one place are apart, over the brain.

    Args:
        a: RAS+ matrix (4, 4) in mm.
        b: other matrix (4, 4).
        brain: brain mask in the world that both lead to.

    Returns:
        Largest distance in mm.
    """
    shift = _points(brain) @ (b @ np.linalg.inv(a) - np.eye(4)).T
    return float(np.linalg.norm(shift[:, :3], axis=1).max(initial=0.0))
