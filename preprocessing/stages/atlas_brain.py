"""Brain mask from the template, as a last resort if no network works."""

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import LabelMap, Scan
from flame.preprocessing.stages.atlas_registration import template
from flame.preprocessing.stages.interpolation import resample_labels
from flame.preprocessing.stages.linear_registration import register


def atlas_brain(scan: Scan) -> NDArray[np.bool_]:
    """Find the brain of a scan by affine registration of the template.

    Args:
        scan: whole-head T1 or T1C.

    Returns:
        Brain mask (x, y, z) on the grid of the scan: the mask of the template, moved to the scan.
    """
    atlas = template()
    matrix = register(
        atlas.t1, atlas.affine, scan.voxels, scan.affine, "affine", region=atlas.brain
    )
    moved = LabelMap(atlas.brain, np.linalg.inv(matrix) @ atlas.affine)
    return resample_labels(moved, scan.affine, scan.voxels.shape).voxels > 0
