"""Base of intensity normalisation within the brain; voxels outside the brain become 0."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Scan, Sequence
from flame.preprocessing.stages.stage import Estimate, Place, Stage, brain_of

Values = NDArray[np.float32]
"""Intensities (n,) of the voxels of the brain."""


def within_brain(
    name: str,
    normalise: Callable[[Values, Sequence], Values],
    parameters: Mapping[str, object] | None = None,
) -> Stage:
    """Build a stage that normalises the brain's intensities of each scan.

    The stage raises StageFailed for a scan that is constant or not finite within the brain.

    Args:
        name: name of the stage.
        normalise: maps intensities (n,) of the brain and the sequence to new intensities (n,).
        parameters: all that the result depends on besides the images; None: nothing.

    Returns:
        Stage at the place INTENSITY, without an estimate.
    """

    def apply(timepoint: Timepoint, _: Estimate) -> Timepoint:
        inside = brain_of(timepoint, name)

        def normalised(scan: Scan) -> Scan:
            shown = inside & ~np.isnan(scan.voxels)  # NaN: beyond the scan's field of view
            values = scan.voxels[shown]
            if not values.size or not np.isfinite(values).all() or np.ptp(values) == 0:
                raise StageFailed(f"{scan.sequence}: constant or not finite within the brain")
            voxels = np.zeros_like(scan.voxels)
            voxels[shown] = normalise(values, scan.sequence)
            return scan.after(name, voxels)

        return replace(timepoint, scans={s: normalised(v) for s, v in timepoint.scans.items()})

    return Stage(name, apply, Place.INTENSITY, parameters=parameters or {})
