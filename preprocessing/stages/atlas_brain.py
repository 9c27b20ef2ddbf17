"""Brain mask from the template, as a last resort where no network works."""

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import LabelMap, Scan
from flame.preprocessing.stages.atlas_registration import template
from flame.preprocessing.stages.interpolation import resample_labels
from flame.preprocessing.stages.linear_registration import register


def atlas_brain(scan: Scan) -> NDArray[np.bool_]:
    """Return the brain (x, y, z) of a scan: the template's mask, moved by affine registration.

    Args:
        scan: whole-head T1 or T1C.
    """
    atlas = template()
    matrix = register(
        atlas.t1, atlas.affine, scan.voxels, scan.affine, "affine", region=atlas.brain
    )
    carried = LabelMap(atlas.brain, np.linalg.inv(matrix) @ atlas.affine)
    return resample_labels(carried, scan.affine, scan.voxels.shape).voxels > 0
