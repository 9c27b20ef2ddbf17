"""Registration of a planning CT to an MRI of the same patient, with a check that fails.

The volumes are registered twice, with exchanged roles. A result that depends on the roles is a
guess, and no dose is carried by it.
"""

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import StageFailed
from flame.core.imaging import LabelMap, Scan
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.planning_ct import read_hounsfield
from flame.preprocessing.stages.linear_registration import Matrix, register

_AGREEMENT_MM = 2.0
"""Largest distance in mm, over the brain, of the results of both directions."""
_LEAST_NATS = 0.1
"""Mutual information in nats below which a fit is not trusted; see benchmarks/ct_to_mr.py."""
_EVERY = 97
"""Distance of the voxels of the brain at which both results are compared."""


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
            f"{apart:.0f} mm; add a Spatial Registration object"
        )
    return there


def distance(a: Matrix, b: Matrix, brain: LabelMap) -> float:
    """Measure how far two movements to one place are apart, over the brain.

    Args:
        a: RAS+ matrix (4, 4) in mm.
        b: other matrix (4, 4).
        brain: brain mask in the world that both lead to.

    Returns:
        Largest distance in mm.
    """
    index = np.argwhere(brain.voxels)[::_EVERY]
    world = np.c_[index, np.ones(len(index))] @ brain.affine.T
    shift = world @ (b @ np.linalg.inv(a) - np.eye(4)).T
    return float(np.linalg.norm(shift[:, :3], axis=1).max(initial=0.0))
