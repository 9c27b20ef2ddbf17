"""Linear registration by Mattes mutual information, shared by co-registration and atlas."""

from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from flame.core.errors import StageFailed
from flame.preprocessing.stage import itk_to_affine

_LEVELS_MM = (6.0, 3.0, 2.0)
_SAMPLES = 20_000


def register(
    fixed: sitk.Image,
    moving: sitk.Image,
    kind: Literal["rigid", "affine"],
    fixed_mask: sitk.Image | None = None,
    moments: bool = False,
) -> tuple[NDArray[np.float64], float]:
    """Align ``moving`` to ``fixed``.

    Returns the 4x4 RAS+ matrix that carries points of the moving world into the fixed world,
    and the mutual information reached. ``moments`` starts from the centres of mass instead of
    the headers. Deterministic. Raises StageFailed where the optimiser gives up.
    """
    start = sitk.Euler3DTransform() if kind == "rigid" else sitk.AffineTransform(3)
    if moments:
        start = sitk.CenteredTransformInitializer(
            fixed, moving, start, sitk.CenteredTransformInitializerFilter.MOMENTS
        )
    else:
        centre = fixed.TransformContinuousIndexToPhysicalPoint(
            [(n - 1) / 2 for n in fixed.GetSize()]
        )
        start.SetCenter(centre)
    method = _method(fixed, fixed_mask)
    method.SetInitialTransform(start, inPlace=False)
    try:
        found = method.Execute(fixed, moving)
    except RuntimeError as error:
        raise StageFailed("registration failed: the images do not overlap") from error
    matrix = itk_to_affine(found)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 0.1:
        raise StageFailed("registration failed: it collapsed to a point")
    return np.asarray(np.linalg.inv(matrix), float), -float(method.GetMetricValue())


def _method(fixed: sitk.Image, mask: sitk.Image | None) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    fraction = min(1.0, _SAMPLES / float(np.prod(fixed.GetSize())))
    method.SetMetricSamplingPercentage(fraction, seed=1)
    if mask is not None:
        method.SetMetricFixedMask(mask)
    method.SetInterpolator(sitk.sitkLinear)
    finest = min(fixed.GetSpacing())
    method.SetShrinkFactorsPerLevel([max(1, round(mm / finest / 2)) for mm in _LEVELS_MM])
    method.SetSmoothingSigmasPerLevel([mm / 2 for mm in _LEVELS_MM])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=1e-3, numberOfIterations=120, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    return method
