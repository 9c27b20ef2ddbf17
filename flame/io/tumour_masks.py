"""Tumours drawn as NIfTI masks: the gross tumour volume, and what labels tell of its parts."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from flame.core.errors import UnreadableImage
from flame.core.imaging import LabelMap

CORE, WHOLE, ENHANCING = "core", "whole", "enhancing"
"""Nested regions of BraTS: without the oedema (the gross tumour volume), with it, what enhances."""


@dataclass(frozen=True)
class Labels:
    """Which labels make up the core, and which of them enhances; 2 is oedema."""

    core: tuple[int, ...]
    enhancing: int


OEDEMA = 2
CONVENTIONS = {"brats": Labels((1, 3, 4), 4), "brats-2023": Labels((1, 3), 3)}
"""BraTS to 2021: 1 necrosis, 3 what else does not enhance, 4 enhances. From 2023 on 1 does not
enhance, 3 does, and 4 is a cavity, no tumour."""


def read_regions(path: Path, convention: str = "brats") -> dict[str, LabelMap]:
    """Regions of a NIfTI mask by name, always the core; raises UnreadableImage.

    Where 1 is the only label it is the core. The whole tumour is known where there is oedema, the
    enhancing one where its label occurs: what is not labelled may not have been looked for.
    """
    try:
        image = nib.load(path)
        labels = np.squeeze(np.asarray(image.dataobj))
    except (OSError, ImageFileError) as error:
        raise UnreadableImage(path, "the tumour mask is no readable NIfTI image") from error
    there = set(np.unique(labels).tolist()) - {0}
    if labels.ndim != 3 or not there <= {1, 2, 3, 4}:
        raise UnreadableImage(path, "a tumour mask has one volume of labels 0 to 4")
    meaning = CONVENTIONS[convention]
    masks = {CORE: labels > 0}
    if there - {1}:
        masks[CORE] = np.isin(labels, meaning.core)
        if OEDEMA in there:
            masks[WHOLE] = masks[CORE] | (labels == OEDEMA)
        if meaning.enhancing in there:
            masks[ENHANCING] = labels == meaning.enhancing
    affine = np.asarray(image.affine, float)
    return {name: LabelMap(mask.astype(np.uint8), affine) for name, mask in masks.items()}
