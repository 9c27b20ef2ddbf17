"""What the segmentation model sees of an imaging day, and its settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, MultipleOf
from numpy.typing import NDArray

from flame.core.cohort import Timepoint
from flame.core.config import Rule, Section
from flame.core.imaging import Sequence
from flame.io.tumour_masks import CORE, ENHANCING, WHOLE

Volume = NDArray[np.float32]

REGIONS = (WHOLE, CORE, ENHANCING)
"""Nested regions of BraTS: all of the tumour, without its oedema, its enhancing part."""
CHANNELS = tuple(Sequence)


@dataclass(frozen=True)
class SegmentationConfig(Section):
    """The network of tumour masks and its training."""

    voxel_mm: Annotated[float, Gt(0)] = 2.0
    """Voxel size in mm at which images are sampled."""
    patch: Annotated[int, Ge(8), MultipleOf(8)] = 64
    """Side of a patch in voxels."""
    filters: Annotated[int, Ge(4), MultipleOf(4)] = 16
    """Width of the first convolution: 4, or a multiple of 8."""
    batch_size: Annotated[int, Ge(1)] = 2
    """Patches a batch."""
    learning_rate: Annotated[float, Gt(0)] = 2e-3
    """Learning rate of AdamW at the start; it falls along a cosine."""
    steps: Annotated[int, Ge(1)] = 1600
    """Batches that are learned in all."""

    def rules(self) -> Iterator[Rule]:
        """Group normalisation needs groups of 8 channels."""
        yield (
            self.filters == 4 or self.filters % 8 == 0,
            "segmentation.filters: 4, or a multiple of 8",
        )


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
