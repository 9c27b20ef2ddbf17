"""Input of the segmentation model, made from one imaging day, and the model's configuration."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.imaging import STRUCTURAL
from flame.io.tumour_masks import CORE, ENHANCING, WHOLE

Volume = NDArray[np.float32]

REGIONS = (WHOLE, CORE, ENHANCING)
"""Nested tumour regions of BraTS, from large to small: whole tumour, core (whole tumour without
oedema) and enhancing tumour.
"""
CHANNELS = STRUCTURAL
"""Sequences in the order of the network's input channels: T1, T1C, T2, FLAIR."""


@dataclass(frozen=True, eq=False)
class SegmentationCase:
    """Images and known masks of one day.

    Args:
        images: intensities (x, y, z, 4) in the order of CHANNELS, z-scored within the brain. They
            are 0 outside the brain, and everywhere for a missing sequence.
        regions: masks (x, y, z, 3) in the order of REGIONS, with values 0 and 1. A region without a
            mask is -1 everywhere.

    Example:
        >>> images = np.zeros((2, 2, 2, 4), np.float32)
        >>> images[0, 0, 0, 1] = 2.0
        >>> case = SegmentationCase(images, np.full((2, 2, 2, 3), -1, np.float32))
        >>> case.present, case.known
        (array([1]), array([False, False, False]))
    """

    images: Volume
    regions: Volume

    @cached_property
    def present(self) -> NDArray[np.intp]:
        """Indices of the channels whose sequence is present."""
        return np.flatnonzero(np.abs(self.images).reshape(-1, len(CHANNELS)).max(axis=0) > 0)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether each of REGIONS has a mask (3,)."""
        return np.asarray(self.regions.reshape(-1, len(REGIONS)).min(axis=0) >= 0)


def images_of(timepoint: Timepoint) -> Volume:
    """Stack the scans of one day, which share one grid, into the channels of the network.

    Args:
        timepoint: day with at least one scan.

    Returns:
        Images (x, y, z, 4) in the order of CHANNELS; 0 for a missing sequence.
    """
    shape = next(iter(timepoint.scans.values())).voxels.shape
    images = np.zeros((*shape, len(CHANNELS)), np.float32)
    for channel, sequence in enumerate(CHANNELS):
        if sequence in timepoint.scans:
            images[..., channel] = timepoint.scans[sequence].voxels
    return images


def segmentation_case(timepoint: Timepoint) -> SegmentationCase:
    """Turn one day into a case of the segmentation model.

    Args:
        timepoint: day with at least one scan; its gross tumour volume is the core, and its masks
            lie on the grid of the scans.

    Returns:
        Images and known masks of the day.
    """
    images = images_of(timepoint)
    regions = np.full((*images.shape[:3], len(REGIONS)), -1, np.float32)
    drawn = dict(timepoint.regions)
    if timepoint.tumour is not None:
        drawn[CORE] = timepoint.tumour
    for name, mask in drawn.items():
        regions[..., REGIONS.index(name)] = mask.voxels > 0
    return SegmentationCase(images, regions)
