"""Resampling to the template's grid, the only interpolation: affines hold all transforms."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.imaging import DoseMap, LabelMap, Scan
from flame.preprocessing.stages.atlas_registration import MNI152, template
from flame.preprocessing.stages.interpolation import coarse_grid, resample, resample_labels
from flame.preprocessing.stages.stage import STAGES, Estimate, Place, Stage

_MARGIN = 10
"""Voxels that are resampled around the brain, of which the pictures show 8."""


def coarser(timepoint: Timepoint, spacing: float) -> Timepoint:
    """Resample all images of a day to another voxel size.

    Args:
        timepoint: day whose images share one grid.
        spacing: voxel size in mm.

    Returns:
        Day on the new grid; the same day if it has no scan or has that voxel size already.
    """
    scan = next(iter(timepoint.scans.values()), None)
    if scan is None or np.allclose(scan.spacing, spacing):
        return timepoint
    affine, shape = coarse_grid(scan.affine, scan.voxels.shape, spacing)
    return on_grid(timepoint, affine, shape, "resampling")


def on_grid(
    timepoint: Timepoint, affine: NDArray[np.float64], shape: tuple[int, ...], stage: str
) -> Timepoint:
    """Resample all images of a day to one grid.

    Args:
        timepoint: day.
        affine: RAS+ affine (4, 4) of the grid in mm.
        shape: shape (x, y, z) of the grid.
        stage: name that is added to the history of each scan.

    Returns:
        Day with scans, masks, regions and dose on that grid.
    """
    scans = {
        s: v.after(stage, resample(v.voxels, v.affine, affine, shape), affine)
        for s, v in timepoint.scans.items()
    }
    brain, tumour = (
        m and resample_labels(m, affine, shape) for m in (timepoint.brain, timepoint.tumour)
    )

    def moved(dose: DoseMap) -> DoseMap:
        voxels = resample(dose.voxels, dose.affine, affine, shape)
        return DoseMap(voxels, affine, dose.biological)

    dose = timepoint.dose and moved(timepoint.dose)
    phases = tuple(map(moved, timepoint.phase_doses))
    regions = {r: resample_labels(m, affine, shape) for r, m in timepoint.regions.items()}
    images = replace(timepoint, scans=scans, brain=brain, tumour=tumour, regions=regions)
    return replace(images, dose=dose, phase_doses=phases)


def _around(brain: LabelMap | None, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the box (x, y, z) of a grid around the brain; the whole grid without a brain."""
    if brain is None or not brain.voxels.any():
        return tuple(slice(0, n) for n in shape)
    box = []
    for axis, size in enumerate(shape):
        shown = np.flatnonzero(brain.voxels.any(axis=tuple({0, 1, 2} - {axis})))
        low, high = int(shown[0]) - _MARGIN, int(shown[-1]) + _MARGIN + 1
        box.append(slice(max(0, low), min(size, high)))
    return tuple(box)


@STAGES.register("resampling")
def resampling(spacing: float = 1.0, path: str = "", space: str = MNI152) -> Stage:
    """Build the stage that resamples scans and brain mask to the template's grid.

    Voxels outside a scan's field of view, and those far from the brain, are NaN until intensity
    normalisation.

    Args:
        spacing: voxel size of the grid in mm.
        path: NIfTI file of a skull-stripped T1; empty: MNI ICBM 2009a symmetric.
        space: name of the template in BIDS file names.

    Returns:
        Stage at the place GRID, without an estimate.

    Raises:
        BadInput: the template cannot be read.
    """

    def apply(timepoint: Timepoint, _: Estimate) -> Timepoint:
        grid = template(path, space, spacing)
        brain = timepoint.brain
        if brain is not None:
            brain = resample_labels(brain, grid.affine, grid.t1.shape)
        box = _around(brain, grid.t1.shape)
        corner = grid.affine.copy()
        corner[:3, 3] += grid.affine[:3, :3] @ [b.start for b in box]
        shape = tuple(b.stop - b.start for b in box)

        def sample(scan: Scan) -> Scan:
            voxels = np.full(grid.t1.shape, np.nan, np.float32, order="F")
            voxels[box] = resample(scan.voxels, scan.affine, corner, shape, np.nan)
            return scan.after("resampling", voxels, grid.affine)

        scans = {s: sample(v) for s, v in timepoint.scans.items()}
        return replace(timepoint, scans=scans, brain=brain)

    digest = template(path, space).digest
    parameters = {"spacing": spacing, "template": digest}
    return Stage("resampling", apply, Place.GRID, parameters=parameters)
