"""Linear registration by Mattes mutual information, shared by co-registration and atlas."""

from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from flame.core.errors import StageFailed
from flame.preprocessing.stage import itk_to_affine

_LEVELS_MM = (6.0, 3.0, 2.0)
_SAMPLES = (8_000, 8_000, 16_000)
"""Points of the fixed image at which the metric is taken, level by level."""


def register(
    fixed: sitk.Image,
    moving: sitk.Image,
    kind: Literal["rigid", "affine"],
    moments: bool = False,
) -> NDArray[np.float64]:
    """Return the 4x4 RAS+ matrix that carries points of the moving world into the fixed world.

    Starts from the headers or, with ``moments``, from the centres of mass; an affine starts from
    the rigid solution. Deterministic. Raises StageFailed where the optimiser gives up.
    """
    start = sitk.Euler3DTransform()
    start.SetCenter(
        fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()])
    )
    if moments:
        start = sitk.CenteredTransformInitializer(
            fixed, moving, start, sitk.CenteredTransformInitializerFilter.MOMENTS
        )
    found = _optimise(fixed, moving, start)
    if kind == "affine":
        rigid = sitk.Euler3DTransform(found.GetBackTransform())
        affine = sitk.AffineTransform(3)
        affine.SetCenter(rigid.GetCenter())
        affine.SetMatrix(rigid.GetMatrix())
        affine.SetTranslation(rigid.GetTranslation())
        found = _optimise(fixed, moving, affine)
    matrix = itk_to_affine(found)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 0.1:
        raise StageFailed("registration failed: it collapsed to a point")
    return np.asarray(np.linalg.inv(matrix), float)


def _optimise(fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform) -> Any:
    method = _method(fixed)
    method.SetInitialTransform(start, inPlace=False)
    # One thread: sums over threads differ in the last bits, and the same input must give the
    # same output. Cases run in parallel instead.
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        return method.Execute(fixed, moving)
    except RuntimeError as error:
        raise StageFailed("registration failed: the images do not overlap") from error
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _method(fixed: sitk.Image) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetInterpolator(sitk.sitkLinear)
    finest, voxels = min(fixed.GetSpacing()), float(np.prod(fixed.GetSize()))
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
