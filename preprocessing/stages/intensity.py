"""Intensity normalisation of every scan within the brain; everything else becomes 0."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Scan, Sequence
from flame.preprocessing.stages.stage import Estimate, Stage, brain_of

Values = NDArray[np.float32]


def within_brain(
    name: str,
    normalise: Callable[[Values, Sequence], Values],
    parameters: Mapping[str, object] | None = None,
) -> Stage:
    """Return a stage that maps the brain's intensities (n) of each scan by ``normalise``."""

    def apply(timepoint: Timepoint, found: Estimate) -> Timepoint:
        inside = brain_of(timepoint, name)

        def one(scan: Scan) -> Scan:
            shown = inside & ~np.isnan(scan.voxels)  # NaN: beyond the scan's field of view
            values = scan.voxels[shown]
            if not values.size or not np.isfinite(values).all() or np.ptp(values) == 0:
                raise StageFailed(f"{scan.sequence}: constant or not finite within the brain")
            voxels = np.zeros_like(scan.voxels)
            voxels[shown] = normalise(values, scan.sequence)
            return scan.after(name, voxels)

        return replace(timepoint, scans={s: one(v) for s, v in timepoint.scans.items()})

    return Stage(name, apply, parameters=parameters or {})
