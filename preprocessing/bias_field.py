"""N4 bias-field correction of every scan."""

from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.imaging import Scan
from flame.preprocessing.n4 import estimate_log_field
from flame.preprocessing.stage import STAGES, Stage


def head_mask(voxels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Otsu's threshold: the head without air."""
    image = sitk.OtsuThreshold(sitk.GetImageFromArray(np.maximum(voxels, 0)), 0, 1, 128)
    return np.asarray(sitk.GetArrayFromImage(image), bool)


@STAGES.register("bias_field")
def bias_field(grid_mm: float = 5.0) -> Stage:
    """Return a stage that divides every scan by its N4 field.

    The field is estimated in the head on a grid subsampled towards ``grid_mm`` (thick slices are
    kept) and evaluated at full resolution.
    """

    def correct(scan: Scan) -> Scan:
        stride = np.maximum(1, np.rint(grid_mm / scan.spacing).astype(int))
        coarse = scan.voxels[tuple(slice(None, None, s) for s in stride)]
        field = estimate_log_field(coarse.astype(float), head_mask(coarse))
        at = [
            np.minimum(np.arange(n) / (s * max(m - 1, 1)), 1.0)
            for n, m, s in zip(scan.voxels.shape, coarse.shape, stride, strict=True)
        ]
        gain = np.asarray(np.exp(field.sample(at)), np.float32)
        return scan.after("bias_field", np.asarray(scan.voxels / gain))

    def stage(timepoint: Timepoint) -> Timepoint:
        return replace(timepoint, scans={s: correct(v) for s, v in timepoint.scans.items()})

    return stage
