"""The MNI152 atlas that ships with nilearn, and affine registration to it."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from nilearn import datasets
from nilearn.image import resample_img
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import LabelMap
from flame.preprocessing.linear_registration import register
from flame.preprocessing.stage import STAGES, Stage, reference, to_itk

SPACE = "MNI152NLin2009aSym"
MIN_OVERLAP = 0.85
"""Least Dice of the registered brain with the atlas brain; below it the stage fails."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """Skull-stripped T1 (float32) and brain mask (uint8) on one grid, RAS+ affine in mm."""

    t1: NDArray[np.float32]
    brain: NDArray[np.uint8]
    affine: NDArray[np.float64]


@cache
def mni152(spacing: float = 2.0) -> Atlas:
    """MNI ICBM 2009a symmetric template at ``spacing`` mm (Fonov 2011)."""
    t1, brain = datasets.load_mni152_template(1), datasets.load_mni152_brain_mask(1)
    if spacing != 1.0:
        grid = np.diag([spacing] * 3)
        t1 = resample_img(t1, grid, interpolation="linear")
        brain = resample_img(brain, grid, interpolation="nearest")
    return Atlas(
        t1.get_fdata(dtype=np.float32),
        (brain.get_fdata() > 0.5).astype(np.uint8),
        np.asarray(t1.affine, float),
    )


def overlap(brain: LabelMap, atlas: Atlas) -> float:
    """Dice of a brain mask, in atlas world space, with the atlas brain."""
    ijk = np.argwhere(atlas.brain) @ atlas.affine[:3, :3].T + atlas.affine[:3, 3]
    inverse = np.linalg.inv(brain.affine)
    index = np.rint(ijk @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = ((index >= 0) & (index < brain.voxels.shape)).all(axis=1)
    hits = np.count_nonzero(brain.voxels[tuple(index[inside].T)])
    voxel = abs(np.linalg.det(atlas.affine[:3, :3])) / 1000.0
    return float(2 * hits * voxel / (len(ijk) * voxel + brain.volume))


@STAGES.register("atlas_registration")
def atlas_registration() -> Stage:
    """Return a stage that moves all scans and the brain mask into MNI152 world space.

    Affine, brain to brain. Only affines change. Raises StageFailed below MIN_OVERLAP.
    """

    def stage(timepoint: Timepoint) -> Timepoint:
        if timepoint.brain is None:
            raise StageFailed("atlas registration needs the brain mask: run brain_extraction first")
        atlas, scan = mni152(), reference(timepoint)
        stripped = scan.voxels * timepoint.brain.voxels
        matrix = register(
            to_itk(atlas.t1, atlas.affine), to_itk(stripped, scan.affine), "affine", moments=True
        )
        brain = replace(timepoint.brain, affine=matrix @ timepoint.brain.affine)
        dice = overlap(brain, atlas)
        if dice < MIN_OVERLAP:
            raise StageFailed(
                f"atlas registration: the brain overlaps the atlas by Dice {dice:.2f} only, "
                f"below {MIN_OVERLAP}; look at the images of this day"
            )
        scans = {
            s: v.after("atlas_registration", affine=matrix @ v.affine)
            for s, v in timepoint.scans.items()
        }
        return replace(timepoint, scans=scans, brain=brain)

    return stage
