"""Diffusion and perfusion maps (ADC, rCBV) of a day: registered and normalised, never required.

A map that cannot be registered, or does not show the whole brain, is left out with a note, and the
day goes on without it.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Scan, Sequence
from flame.preprocessing.quality.alignment import alignment
from flame.preprocessing.quality.checks import MIN_ALIGNMENT, MIN_COVERAGE
from flame.preprocessing.stages.interpolation import resample
from flame.preprocessing.stages.registration import REGISTRATIONS
from flame.preprocessing.stages.stage import brain_of, reference
from flame.preprocessing.stages.zscore import zscore

Matrix = NDArray[np.float64]


def with_maps(
    day: Timepoint,
    maps: dict[Sequence, Scan],
    fixed: Scan,
    move: Matrix,
    registration: str,
) -> tuple[Timepoint, list[str]]:
    """Add the maps of a day to its preprocessed scans.

    A map is registered rigidly to the reference scan and moved with it. Within the brain it gets
    mean 0 and standard deviation 1, as the values of rCBV depend on how it was computed.

    Args:
        day: the preprocessed day, with a brain mask, on its final grid.
        maps: maps on their own grids.
        fixed: reference scan of the day on its own grid.
        move: RAS+ matrix (4, 4) in mm from the world of that scan to that of the final grid.
        registration: name in REGISTRATIONS.

    Returns:
        The day with the maps that could be used, and a note for each other one.
    """
    register = REGISTRATIONS[registration]
    notes = []
    for name, scan in maps.items():
        try:
            there = register(fixed.voxels, fixed.affine, scan.voxels, scan.affine, "rigid")
            on_grid = _checked(day, scan.after("coregistration", affine=move @ there @ scan.affine))
        except StageFailed as error:
            notes.append(f"{name} left out: {error}")
            continue
        day = replace(day, scans={**day.scans, name: on_grid})
    return day, notes


def _checked(day: Timepoint, scan: Scan) -> Scan:
    """Resample a map to the grid of the day and normalise it; fail if it does not fit."""
    final = reference(day)
    inside = brain_of(day, "maps")
    voxels = resample(scan.voxels, scan.affine, final.affine, final.voxels.shape, np.nan)
    on_grid = scan.after("resampling", voxels, final.affine)
    share = 1 - float(np.isnan(voxels[inside]).mean())
    if share < MIN_COVERAGE:
        raise StageFailed(f"it covers only {share:.0%} of the brain")
    if day.tumour is not None and np.isnan(voxels[day.tumour.voxels > 0]).any():
        raise StageFailed("it does not show the whole tumour")
    alone = replace(day, scans={scan.sequence: on_grid})
    normalised = zscore()(alone).scans[scan.sequence]
    value = alignment(final, normalised, inside)
    if not value >= MIN_ALIGNMENT:
        raise StageFailed(f"it may not be aligned with {final.sequence}")
    return normalised
