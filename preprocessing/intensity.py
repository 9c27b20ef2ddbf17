"""Intensity normalisation in the brain; everything outside becomes 0."""

from dataclasses import replace

import numpy as np

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Scan
from flame.preprocessing.stage import STAGES, Stage


@STAGES.register("zscore")
def zscore() -> Stage:
    """Return a stage: mean 0 and standard deviation 1 over the brain, 0 outside it."""

    def stage(timepoint: Timepoint) -> Timepoint:
        if timepoint.brain is None:
            raise StageFailed("z-score needs the brain mask: run brain_extraction first")
        inside = timepoint.brain.voxels > 0

        def normalise(scan: Scan) -> Scan:
            values = scan.voxels[inside]
            spread = float(values.std())
            if not np.isfinite(spread) or spread <= 0:
                raise StageFailed(f"{scan.sequence}: constant or not finite within the brain")
            return scan.after("zscore", np.where(inside, (scan.voxels - values.mean()) / spread, 0))

        return replace(timepoint, scans={s: normalise(v) for s, v in timepoint.scans.items()})

    return stage
