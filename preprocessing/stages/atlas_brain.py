"""Brain mask carried over from the template: the last resort, where no network will do."""

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import LabelMap, Scan
from flame.preprocessing.stages.atlas_registration import template
from flame.preprocessing.stages.interpolation import resample_labels
from flame.preprocessing.stages.linear_registration import register


def atlas_brain(scan: Scan) -> NDArray[np.bool_]:
    """Return the template's brain on the grid of a whole-head ``scan``, by affine registration."""
    atlas = template()
    matrix = register(
        atlas.t1, atlas.affine, scan.voxels, scan.affine, "affine", region=atlas.brain
    )
    carried = LabelMap(atlas.brain, np.linalg.inv(matrix) @ atlas.affine)
    return resample_labels(carried, scan.affine, scan.voxels.shape).voxels > 0
