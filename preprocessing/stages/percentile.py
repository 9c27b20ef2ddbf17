"""Intensity normalisation by percentiles."""

import numpy as np

from flame.core.errors import StageFailed
from flame.core.imaging import Sequence
from flame.preprocessing.stages.intensity import Values, within_brain
from flame.preprocessing.stages.stage import STAGES, Stage


@STAGES.register("percentile")
def percentile(low: float = 1.0, high: float = 99.0) -> Stage:
    """Build the stage that maps two percentiles of the brain to 0 and 1, and clips beyond them.

    With the intensities l and h at the two percentiles, v' = (v - l) / (h - l), limited to 0..1.
    The stage raises StageFailed if l and h are equal.

    Args:
        low: percentile that becomes 0.
        high: percentile that becomes 1.

    Returns:
        Stage at the place INTENSITY, without an estimate.

    Example:
        >>> from flame.core.cohort import Timepoint
        >>> from flame.core.imaging import LabelMap, Scan
        >>> scan = Scan(np.array([[[1.0, 2.0, 5.0]]], np.float32), np.eye(4), Sequence.T1)
        >>> brain = LabelMap(np.ones((1, 1, 3), np.uint8), np.eye(4))
        >>> day = percentile(0, 100)(Timepoint(0, {Sequence.T1: scan}, brain))
        >>> day.scans[Sequence.T1].voxels.ravel()
        array([0.  , 0.25, 1.  ], dtype=float32)
    """

    def normalise(values: Values, sequence: Sequence) -> Values:
        bottom, top = np.percentile(values, (low, high))
        if not top > bottom:
            raise StageFailed(f"{sequence}: percentiles {low:g} and {high:g} are equal")
        return np.asarray(np.clip((values - bottom) / (top - bottom), 0, 1), np.float32)

    return within_brain("percentile", normalise, {"low": low, "high": high})
