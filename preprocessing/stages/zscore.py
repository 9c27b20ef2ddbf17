"""Intensity normalisation by mean and standard deviation."""

from flame.preprocessing.stages.intensity import within_brain
from flame.preprocessing.stages.stage import STAGES, Stage


@STAGES.register("zscore")
def zscore() -> Stage:
    """Build the stage that gives the brain mean 0 and standard deviation 1: v' = (v - mean) / sd.

    Returns:
        Stage at the place INTENSITY, without an estimate.

    Example:
        >>> import numpy as np
        >>> from flame.core.cohort import Timepoint
        >>> from flame.core.imaging import LabelMap, Scan, Sequence
        >>> scan = Scan(np.array([[[1.0, 3.0]]], np.float32), np.eye(4), Sequence.T1)
        >>> brain = LabelMap(np.ones((1, 1, 2), np.uint8), np.eye(4))
        >>> zscore()(Timepoint(0, {Sequence.T1: scan}, brain)).scans[Sequence.T1].voxels.ravel()
        array([-1.,  1.], dtype=float32)
    """
    return within_brain("zscore", lambda values, _: (values - values.mean()) / values.std())
