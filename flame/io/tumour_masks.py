"""Tumour masks in NIfTI files, and what their labels mean."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from flame.core.errors import UnreadableImage
from flame.core.imaging import LabelMap

CORE, WHOLE, ENHANCING = "core", "whole", "enhancing"
"""Nested tumour regions of BraTS: the core is the gross tumour volume without oedema, the whole
tumour includes the oedema, and the enhancing tumour is part of the core.
"""


@dataclass(frozen=True)
class Labels:
    """The labels of a mask convention that form the tumour core and its enhancing part.

    Args:
        core: labels of the tumour core.
        enhancing: label of the enhancing part.
    """

    core: tuple[int, ...]
    enhancing: int


OEDEMA = 2
"""Label of oedema, the same in both conventions."""
CONVENTIONS = {"brats": Labels((1, 3, 4), 4), "brats-2023": Labels((1, 3), 3)}
"""Meaning of labels in BraTS.

Up to 2021: 1 is necrosis, 3 is other non-enhancing core, 4 is enhancing tumour. From 2023: 1 is
non-enhancing core, 3 is enhancing tumour, 4 is the resection cavity, which is no tumour.
"""


def read_regions(path: Path, convention: str = "brats") -> dict[str, LabelMap]:
    """Read the tumour regions of a NIfTI label mask.

    A mask whose only label is 1 is the core. The whole tumour is returned only where the mask has
    oedema, and the enhancing tumour only where its label occurs. A label that does not occur may
    not have been looked for, so its absence is no evidence.

    Args:
        path: NIfTI file with one volume of integer labels 0 to 4.
        convention: key of ``CONVENTIONS``.

    Returns:
        Binary masks by region (``CORE``, ``WHOLE``, ``ENHANCING``); the core is always present.
        Voxel axes are (x, y, z) and the affine is RAS+ in mm.

    Raises:
        UnreadableImage: the file cannot be read, is not one volume, or has other labels.
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
