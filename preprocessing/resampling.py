"""The one interpolation: all transforms are composed in the affines, each image is read once."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from flame.core.cohort import Timepoint
from flame.core.imaging import LabelMap, Scan
from flame.preprocessing.atlas import mni152
from flame.preprocessing.stage import STAGES, Stage


def resample(
    voxels: NDArray[np.float32],
    affine: NDArray[np.float64],
    target_affine: NDArray[np.float64],
    shape: tuple[int, ...],
    order: int = 1,
) -> NDArray[np.float32]:
    """Sample ``voxels`` (affine RAS+) on the target grid; 0 outside the image.

    Where the target is coarser the image is smoothed first, so that nothing aliases.
    """
    pull = np.linalg.inv(affine) @ target_affine
    step = np.abs(pull[:3, :3]).max(axis=1)
    if order > 0 and (step > 1.01).any():
        voxels = gaussian_filter(voxels, 0.42 * np.sqrt(np.maximum(step**2 - 1, 0)))
    sampled: NDArray[np.float32] = affine_transform(
        voxels, pull[:3, :3], pull[:3, 3], output_shape=shape, order=order, output=np.float32
    )
    return sampled


@STAGES.register("resampling")
def resampling(spacing: float = 1.0) -> Stage:
    """Return a stage that puts scans and brain mask on the MNI152 grid of ``spacing`` mm."""

    def stage(timepoint: Timepoint) -> Timepoint:
        grid = mni152(spacing)

        def sample(scan: Scan) -> Scan:
            voxels = resample(scan.voxels, scan.affine, grid.affine, grid.t1.shape)
            return scan.after("resampling", voxels, grid.affine)

        brain = timepoint.brain
        if brain is not None:
            soft = resample(
                brain.voxels.astype(np.float32), brain.affine, grid.affine, grid.t1.shape
            )
            brain = LabelMap((soft > 0.5).astype(np.uint8), grid.affine)
        scans = {s: sample(v) for s, v in timepoint.scans.items()}
        return replace(timepoint, scans=scans, brain=brain)

    return stage
