"""Reads tumour masks from NIfTI files by the meaning of their labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame.core.errors import UnreadableImage
from flame.core.imaging import LabelMap

CORE = "core"
"""Tumour core of BraTS: the gross tumour volume without oedema."""
WHOLE = "whole"
"""Whole tumour of BraTS: the core and the oedema."""
ENHANCING = "enhancing"
"""Enhancing tumour of BraTS: a part of the core."""


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
"""Label of oedema, the same in both conventions of ``CONVENTIONS``."""
CONVENTIONS = {
    "brats": Labels((1, 3, 4), 4),
    "brats-2023": Labels((1, 3), 3),
    "enhancing": Labels((1,), 1),
}
"""Labels of the tumour regions, in BraTS and in masks of the enhancing tumour alone (1).

Up to 2021: 1 is necrosis, 3 is other non-enhancing core, 4 is enhancing tumour. From 2023: 1 is
non-enhancing core, 3 is enhancing tumour, 4 is the resection cavity, which is no tumour.
"""


def read_regions(path: Path, convention: str = "brats") -> dict[str, LabelMap]:
    """Read the tumour regions of a NIfTI label mask.

    If 1 is the only label, the mask is the core; of the enhancing tumour alone, the core is that.
    The whole tumour is returned only if the mask has oedema, and the enhancing tumour only if its
    label occurs. The absence of a label is no evidence: the annotators may not have used it.

    Args:
        path: NIfTI file with one volume of integer labels 0 to 4.
        convention: key of ``CONVENTIONS``.

    Returns:
        Binary masks by region (``CORE``, ``WHOLE``, ``ENHANCING``); the core is always present.
        Voxel axes are (x, y, z) and the affine is RAS+ in mm.

    Raises:
        UnreadableImage: the file cannot be read, is not one volume, or has other labels.
    """
    # Imported here: it is slow to load, and what only names the regions does not need it.
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError

    try:
        image = nib.load(path)
        labels = np.squeeze(np.asarray(image.dataobj))
    except (OSError, ImageFileError) as error:
        raise UnreadableImage(path, "the tumour mask is no readable NIfTI image") from error
    present = set(np.unique(labels).tolist()) - {0}
    if labels.ndim != 3 or not present <= {1, 2, 3, 4}:
        raise UnreadableImage(path, "a tumour mask must be one volume with labels 0 to 4")
    tumour_labels = CONVENTIONS[convention]
    masks = {CORE: labels > 0}
    if convention == "enhancing":
        masks[ENHANCING] = masks[CORE]
    elif present - {1}:
        masks[CORE] = np.isin(labels, tumour_labels.core)
        if OEDEMA in present:
            masks[WHOLE] = masks[CORE] | (labels == OEDEMA)
        if tumour_labels.enhancing in present:
            masks[ENHANCING] = labels == tumour_labels.enhancing
    affine = np.asarray(image.affine, float)
    return {name: LabelMap(mask.astype(np.uint8), affine) for name, mask in masks.items()}
