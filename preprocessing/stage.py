"""What a stage is: a Timepoint in, a Timepoint out, or StageFailed."""

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Scan, Sequence
from flame.core.registry import Registry

Stage = Callable[[Timepoint], Timepoint]
STAGES: Registry[Callable[..., Stage]] = Registry("preprocessing stage")
"""Factories of image stages by name: parameters in, stage out."""


def reference(timepoint: Timepoint) -> Scan:
    """The scan the others are aligned to: T1C where there is one, else T1."""
    for sequence in (Sequence.T1C, Sequence.T1):
        if sequence in timepoint.scans:
            return timepoint.scans[sequence]
    raise StageFailed(
        f"only {', '.join(timepoint.scans) or 'nothing'} here: T1 or T1C is needed to find the "
        "brain; add the series or exclude the day"
    )


_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


def to_itk(voxels: NDArray[np.generic], affine: NDArray[np.float64]) -> sitk.Image:
    """Return a SimpleITK image (LPS) of voxels (x, y, z) with an RAS+ affine without shear."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((_RAS_TO_LPS @ affine[:3, 3]).tolist())
    image.SetDirection((_RAS_TO_LPS @ affine[:3, :3] / spacing).ravel().tolist())
    return image


def itk_to_affine(transform: sitk.Transform) -> NDArray[np.float64]:
    """Return the 4x4 RAS+ matrix of a linear SimpleITK transform."""
    points = np.vstack([np.zeros(3), np.eye(3)])
    mapped = np.array([transform.TransformPoint(p) for p in (points @ _RAS_TO_LPS).tolist()])
    mapped = mapped @ _RAS_TO_LPS
    matrix = np.eye(4)
    matrix[:3, 3] = mapped[0]
    matrix[:3, :3] = (mapped[1:] - mapped[0]).T
    return matrix
