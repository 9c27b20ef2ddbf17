"""What the segmentation model sees of an imaging day, and its settings."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.imaging import Sequence
from flame.io.tumour_masks import CORE, ENHANCING, WHOLE

Volume = NDArray[np.float32]

REGIONS = (WHOLE, CORE, ENHANCING)
"""Nested regions of BraTS: all of the tumour, without its oedema, its enhancing part."""
CHANNELS = tuple(Sequence)


@dataclass(frozen=True)
class SegmentationConfig:
    """Images are sampled at ``voxel_mm``; patches have ``patch`` voxels a side.

    ``steps`` batches are learned in all.
    """

    voxel_mm: float = 2.0
    patch: int = 64
    filters: int = 16
    batch_size: int = 2
    learning_rate: float = 2e-3
    steps: int = 1600


@dataclass(frozen=True, eq=False)
class SegmentationCase:
    """``images`` (x, y, z, 4) in the order T1, T1C, T2, FLAIR, z-scored within the brain.

    0 outside the brain, and everywhere for a sequence that is not there. ``regions`` (x, y, z, 3)
    are the masks of REGIONS as 0 and 1, -1 everywhere for one that is not known.
    """

    images: Volume
    regions: Volume

    @cached_property
    def present(self) -> NDArray[np.intp]:
        """Channels that are there."""
        return np.flatnonzero(np.abs(self.images).reshape(-1, len(CHANNELS)).max(axis=0) > 0)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which of REGIONS have a mask."""
        return np.asarray(self.regions.reshape(-1, len(REGIONS)).min(axis=0) >= 0)


def images_of(timepoint: Timepoint) -> Volume:
    """The day's scans (x, y, z, 4), which share one grid."""
    shape = next(iter(timepoint.scans.values())).voxels.shape
    images = np.zeros((*shape, len(CHANNELS)), np.float32)
    for sequence, scan in timepoint.scans.items():
        images[..., CHANNELS.index(sequence)] = scan.voxels
    return images


def segmentation_case(timepoint: Timepoint) -> SegmentationCase:
    """The day's scans and what was drawn; the gross tumour volume is the core."""
    images = images_of(timepoint)
    regions = np.full((*images.shape[:3], len(REGIONS)), -1, np.float32)
    drawn = dict(timepoint.regions)
    if timepoint.tumour is not None:
        drawn[CORE] = timepoint.tumour
    for name, mask in drawn.items():
        regions[..., REGIONS.index(name)] = mask.voxels > 0
    return SegmentationCase(images, regions)
