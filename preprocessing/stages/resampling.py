"""The one interpolation: all transforms are composed in the affines, each image is read once."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.imaging import DoseMap, Scan
from flame.preprocessing.stages.atlas_registration import MNI152, template
from flame.preprocessing.stages.interpolation import coarse_grid, resample, resample_labels
from flame.preprocessing.stages.stage import STAGES, Estimate, Stage


def coarser(timepoint: Timepoint, spacing: float) -> Timepoint:
    """Return all images of a day, which share one grid, on that grid with ``spacing`` mm."""
    scan = next(iter(timepoint.scans.values()), None)
    if scan is None or np.allclose(scan.spacing, spacing):
        return timepoint
    affine, shape = coarse_grid(scan.affine, scan.voxels.shape, spacing)
    return on_grid(timepoint, affine, shape, "resampling")


def on_grid(
    timepoint: Timepoint, affine: NDArray[np.float64], shape: tuple[int, ...], stage: str
) -> Timepoint:
    """Return all images of a day on one grid (RAS+ ``affine``), with ``stage`` in their history."""
    scans = {
        s: v.after(stage, resample(v.voxels, v.affine, affine, shape), affine)
        for s, v in timepoint.scans.items()
    }
    brain, tumour = (
        m and resample_labels(m, affine, shape) for m in (timepoint.brain, timepoint.tumour)
    )
    dose = timepoint.dose
    if dose is not None:
        dose = DoseMap(resample(dose.voxels, dose.affine, affine, shape), affine, dose.biological)
    regions = {r: resample_labels(m, affine, shape) for r, m in timepoint.regions.items()}
    return replace(timepoint, scans=scans, brain=brain, tumour=tumour, dose=dose, regions=regions)


@STAGES.register("resampling")
def resampling(spacing: float = 1.0, path: str = "", space: str = MNI152) -> Stage:
    """Return a stage that puts scans and brain mask on the template's grid of ``spacing`` mm.

    What a scan does not show is NaN until the intensities are normalised.
    """

    def apply(timepoint: Timepoint, found: Estimate) -> Timepoint:
        grid = template(path, space, spacing)

        def sample(scan: Scan) -> Scan:
            voxels = resample(scan.voxels, scan.affine, grid.affine, grid.t1.shape, np.nan)
            return scan.after("resampling", voxels, grid.affine)

        brain = timepoint.brain
        if brain is not None:
            brain = resample_labels(brain, grid.affine, grid.t1.shape)
        scans = {s: sample(v) for s, v in timepoint.scans.items()}
        return replace(timepoint, scans=scans, brain=brain)

    digest = template(path, space).digest
    return Stage("resampling", apply, parameters={"spacing": spacing, "template": digest})
