"""Rigid and affine registration by SimpleITK, as an alternative to ``linear_registration``."""

from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from flame.core.errors import StageFailed

_LEVELS_MM = (6.0, 3.0, 2.0)
"""Resolution of each level in mm, from coarse to fine."""
_SAMPLES = (8_000, 8_000, 16_000)
"""Number of points of the fixed image at which the metric is evaluated, for each level."""


def register(
    fixed: NDArray[np.float32],
    fixed_affine: NDArray[np.float64],
    moving: NDArray[np.float32],
    moving_affine: NDArray[np.float64],
    kind: Literal["rigid", "affine"],
) -> NDArray[np.float64]:
    """Register two volumes with SimpleITK, starting from the centres of mass.

    Args:
        fixed: intensities (x, y, z) of the fixed volume.
        fixed_affine: its RAS+ affine (4, 4) in mm.
        moving: intensities (x, y, z) of the moving volume.
        moving_affine: its RAS+ affine (4, 4) in mm.
        kind: rigid or affine.

    Returns:
        RAS+ matrix (4, 4) in mm from the moving to the fixed world.

    Raises:
        StageFailed: the images do not overlap, or the transform collapses.
    """
    fixed_image = to_itk(fixed, fixed_affine)
    moving_image = to_itk(moving, moving_affine)
    start = sitk.CenteredTransformInitializer(
        fixed_image,
        moving_image,
        sitk.Euler3DTransform(),
        sitk.CenteredTransformInitializerFilter.MOMENTS,
    )
    transform = _optimise(fixed_image, moving_image, start)
    if kind == "affine":
        rigid = sitk.Euler3DTransform(transform.GetBackTransform())
        affine = sitk.AffineTransform(3)
        affine.SetCenter(rigid.GetCenter())
        affine.SetMatrix(rigid.GetMatrix())
        affine.SetTranslation(rigid.GetTranslation())
        transform = _optimise(fixed_image, moving_image, affine)
    matrix = itk_to_affine(transform)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 0.1:
        raise StageFailed("registration failed: it collapsed to a point")
    return np.asarray(np.linalg.inv(matrix), float)


def _optimise(fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform) -> Any:
    """Return the transform that the method finds from ``start``."""
    method = _method(fixed)
    method.SetInitialTransform(start, inPlace=False)
    # One thread, as sums over threads differ in the last bits and results must be reproducible.
    # Cases run in parallel instead.
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        return method.Execute(fixed, moving)
    except RuntimeError as error:
        raise StageFailed("registration failed: the images do not overlap") from error
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _method(fixed: sitk.Image) -> sitk.ImageRegistrationMethod:
    """Return the method of ITK with its metric, levels and optimiser."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetInterpolator(sitk.sitkLinear)
    finest = min(fixed.GetSpacing())
    voxels = float(np.prod(fixed.GetSize()))
    shrink = [max(1, round(mm / finest / 2)) for mm in _LEVELS_MM]
    shares = [min(1.0, n * f**3 / voxels) for n, f in zip(_SAMPLES, shrink, strict=True)]
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentagePerLevel(shares, seed=1)
    method.SetShrinkFactorsPerLevel(shrink)
    method.SetSmoothingSigmasPerLevel([mm / 2 for mm in _LEVELS_MM])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-3, numberOfIterations=120, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    return method


_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])
"""Matrix (3, 3) between the axes of NIfTI and those of ITK; it is its own inverse."""


def to_itk(voxels: NDArray[np.generic], affine: NDArray[np.float64]) -> sitk.Image:
    """Convert a volume to a SimpleITK image.

    Args:
        voxels: intensities (x, y, z).
        affine: RAS+ affine (4, 4) in mm, without shear.

    Returns:
        Image with the same voxels in LPS space.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.T))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin((_RAS_TO_LPS @ affine[:3, 3]).tolist())
    image.SetDirection((_RAS_TO_LPS @ affine[:3, :3] / spacing).ravel().tolist())
    return image


def itk_to_affine(transform: sitk.Transform) -> NDArray[np.float64]:
    """Convert a linear SimpleITK transform to a matrix.

    Args:
        transform: linear transform in three dimensions, in LPS space.

    Returns:
        RAS+ matrix (4, 4) in mm.

    Example:
        >>> itk_to_affine(sitk.TranslationTransform(3, (1.0, 2.0, 3.0)))[:3, 3]
        array([-1., -2.,  3.])
    """
    points = np.vstack([np.zeros(3), np.eye(3)])
    mapped = np.array([transform.TransformPoint(p) for p in (points @ _RAS_TO_LPS).tolist()])
    mapped = mapped @ _RAS_TO_LPS
    matrix = np.eye(4)
    matrix[:3, 3] = mapped[0]
    matrix[:3, :3] = (mapped[1:] - mapped[0]).T
    return matrix
