"""Random training patches of the segmentation model, with augmentation and sequence dropout."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.models.segmentation.cases import SegmentationCase

Volume = NDArray[np.float32]

_KEYS = ("images", "regions")
"""Keys of the arrays that MONAI moves together."""
_DROPOUT = 0.25
"""Probability that a present sequence is dropped from a patch."""


class Patches:
    """Draw random patches, on average three of four centred on tumour.

    Patches are mirrored along x and rotated by up to 0.2 rad at random. The intensities of each
    sequence get a random scale and shift. Whole sequences are dropped at random.

    Args:
        cases: cases to draw from, each with the same probability.
        side: side length of a patch in voxels; smaller images are padded.
        seed: seed of all random numbers.
    """

    def __init__(self, cases: list[SegmentationCase], side: int, seed: int) -> None:
        from flame.core.monai_import import monai

        transforms = monai.transforms

        self.cases = cases
        self.rng = np.random.default_rng(seed)
        pad = transforms.SpatialPadd([*_KEYS, "tumour"], (side,) * 3)
        index_voxels = transforms.FgBgToIndicesd("tumour")
        self.padded = [index_voxels(pad(_by_channel(c))) for c in cases]
        self.moved = transforms.Compose(
            [
                transforms.RandCropByPosNegLabeld(
                    _KEYS,
                    "tumour",
                    (side,) * 3,
                    pos=3,
                    neg=1,
                    num_samples=1,
                    fg_indices_key="tumour_fg_indices",
                    bg_indices_key="tumour_bg_indices",
                    allow_smaller=True,
                ),
                transforms.RandFlipd(_KEYS, 0.5, 0),
                transforms.RandRotated(_KEYS, 0.2, 0.2, 0.2, 0.3, mode=("bilinear", "nearest")),
            ]
        )
        self.moved.set_random_state(seed)

    def draw(self) -> tuple[Volume, Volume]:
        """Draw one patch.

        Returns:
            Images (side, side, side, 4) and regions (side, side, side, 3); a region without a mask
            is -1 everywhere.
        """
        chosen = self.rng.integers(len(self.cases))
        case = self.cases[chosen]
        (patch,) = self.moved(self.padded[chosen])
        images = np.asarray(patch["images"], np.float32)
        regions = np.asarray(patch["regions"], np.float32)
        scale = self.rng.uniform(0.8, 1.2, (4, 1, 1, 1))
        shift = self.rng.normal(0, 0.15, (4, 1, 1, 1))
        images = np.where(images != 0, images * scale + shift, 0).astype(np.float32)
        images[self._dropped(case)] = 0
        regions[~case.known] = -1
        return np.moveaxis(images, 0, -1), np.moveaxis(regions, 0, -1)

    def _dropped(self, case: SegmentationCase) -> NDArray[np.intp]:
        """Draw the channels to drop; at least one present sequence remains."""
        present = case.present
        dropped = present[self.rng.random(len(present)) < _DROPOUT]
        return dropped if len(dropped) < len(present) else dropped[:-1]


def _by_channel(case: SegmentationCase) -> dict[Any, Any]:
    """Return the arrays for MONAI, channels first; ``tumour`` is the union of all regions."""
    images = np.moveaxis(case.images, -1, 0)
    regions = np.moveaxis(case.regions, -1, 0)
    return {"images": images, "regions": regions, "tumour": regions.max(axis=0)[None] > 0}
