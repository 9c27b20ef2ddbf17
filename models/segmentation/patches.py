"""Random training patches of the segmentation model, with augmentation and sequence dropout."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.models.segmentation.cases import SegmentationCase

Volume = NDArray[np.float32]

_KEYS = ("images", "regions")
_LEFT_OUT = 0.25
"""Probability with which each present sequence is left out of a patch."""


class Patches:
    """Draw random patches, three of four centred on tumour.

    Patches are mirrored along x, rotated by up to 0.2 rad, and changed in intensity by a random
    scale and shift for each sequence. Whole sequences are left out at random.

    Args:
        cases: cases to draw from, each with the same probability.
        side: side length of a patch in voxels; smaller images are padded.
        seed: seed of all random numbers.
    """

    def __init__(self, cases: list[SegmentationCase], side: int, seed: int) -> None:
        from flame.core.monai_import import monai

        transforms = monai.transforms

        self.cases, self.rng = cases, np.random.default_rng(seed)
        pad = transforms.SpatialPadd([*_KEYS, "tumour"], (side,) * 3)
        places = transforms.FgBgToIndicesd("tumour")
        self.padded = [places(pad(_by_channel(c))) for c in cases]
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
        """Draw one patch: images (side, side, side, 4) and regions (side, side, side, 3).

        Regions without a mask are -1.
        """
        chosen = self.rng.integers(len(self.cases))
        case = self.cases[chosen]
        (patch,) = self.moved(self.padded[chosen])
        images, regions = (np.asarray(patch[k], np.float32) for k in _KEYS)
        scale = self.rng.uniform(0.8, 1.2, (4, 1, 1, 1))
        shift = self.rng.normal(0, 0.15, (4, 1, 1, 1))
        images = np.where(images != 0, images * scale + shift, 0).astype(np.float32)
        images[self._left_out(case)] = 0
        regions[~case.known] = -1
        return np.moveaxis(images, 0, -1), np.moveaxis(regions, 0, -1)

    def _left_out(self, case: SegmentationCase) -> NDArray[np.intp]:
        """Draw the channels to leave out; at least one present sequence remains."""
        present = case.present
        gone = present[self.rng.random(len(present)) < _LEFT_OUT]
        return gone if len(gone) < len(present) else gone[:-1]


def _by_channel(case: SegmentationCase) -> dict[Any, Any]:
    """Return images and regions with channels first for MONAI, and the mask of any tumour
    region.
    """
    images, regions = (np.moveaxis(a, -1, 0) for a in (case.images, case.regions))
    return {"images": images, "regions": regions, "tumour": regions.max(axis=0)[None] > 0}
