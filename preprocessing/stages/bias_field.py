"""N4 bias-field correction of every scan."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.imaging import Scan
from flame.core.registry import Registry
from flame.preprocessing.stages.n4 import BSplineField, estimate_log_field, fit_log_field
from flame.preprocessing.stages.stage import STAGES, Estimate, Place, Stage

BIAS_METHODS: Registry[Callable[..., BSplineField]] = Registry("bias-field method")
"""Methods that estimate the log bias field of an image (x, y, z) within a mask, by name."""


def head_mask(voxels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Separate the head from air by Otsu's threshold.

    Args:
        voxels: intensities (x, y, z).

    Returns:
        Mask (x, y, z) of the head.
    """
    image = sitk.OtsuThreshold(sitk.GetImageFromArray(np.maximum(voxels, 0)), 0, 1, 128)
    return np.asarray(sitk.GetArrayFromImage(image), bool)


@BIAS_METHODS.register("n4")
def _n4(image: NDArray[np.float64], mask: NDArray[np.bool_]) -> BSplineField:
    return estimate_log_field(image, mask)


@BIAS_METHODS.register("simpleitk")
def _simpleitk(image: NDArray[np.float64], mask: NDArray[np.bool_]) -> BSplineField:
    """Estimate the field by ITK's N4; it lies in the same spline space, so the fit is exact."""
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([50] * 4)
    volume = sitk.GetImageFromArray(image.astype(np.float32))
    n4.Execute(volume, sitk.GetImageFromArray(mask.astype(np.uint8)))
    return fit_log_field(
        np.asarray(sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(volume)), float), spans=8
    )


@STAGES.register("bias_field")
def bias_field(method: str = "n4", grid_mm: float = 5.0) -> Stage:
    """Build the stage that divides every scan by its N4 bias field.

    The field is estimated within the head on a subsampled grid and evaluated at full resolution.

    Args:
        method: name in BIAS_METHODS.
        grid_mm: approximate spacing in mm of the subsampled grid; thicker slices are kept.

    Returns:
        Stage whose estimate is the spline's control points (i, j, k) for each sequence.

    Raises:
        BadInput: the method is unknown.

    Reference:
        Tustison et al. 2010, doi:10.1109/TMI.2010.2046908.
    """
    fit = BIAS_METHODS[method]

    def stride(scan: Scan) -> NDArray[np.int_]:
        return np.asarray(np.maximum(1, np.rint(grid_mm / scan.spacing)), int)

    def estimate(timepoint: Timepoint) -> Estimate:
        return {str(s): control_points(v) for s, v in timepoint.scans.items()}

    def control_points(scan: Scan) -> NDArray[np.float64]:
        coarse = scan.voxels[tuple(slice(None, None, s) for s in stride(scan))]
        return fit(coarse.astype(float), head_mask(coarse)).control

    def correct(scan: Scan, control: NDArray[np.float64]) -> Scan:
        coordinates = []
        for n, s in zip(scan.voxels.shape, stride(scan), strict=True):
            last = max((n - 1) // s, 1)  # index of the last voxel of the subsampled axis
            coordinates.append(np.minimum(np.arange(n) / (s * last), 1.0))
        gain = np.exp(BSplineField(control.astype(np.float32)).sample(coordinates))
        return scan.after("bias_field", np.asarray(scan.voxels / gain))

    def apply(timepoint: Timepoint, controls: Estimate) -> Timepoint:
        scans = {s: correct(v, controls[str(s)]) for s, v in timepoint.scans.items()}
        return replace(timepoint, scans=scans)

    parameters = {"method": method, "grid_mm": grid_mm}
    return Stage("bias_field", apply, Place.SCANNER, estimate, parameters)
