"""Checks the moments by which a server tells a site to scale its features."""

import numpy as np

from flame.core.errors import Refusal
from flame.federation.task import Shared


def check_moments(shared: Shared, features: int) -> None:
    """Check the moments that a server sent.

    Args:
        shared: arrays that all sites share.
        features: number of features.

    Raises:
        Refusal: the moments are not one finite number for each feature.
    """
    for name in ("count", "mean", "sum_sq_dev"):
        array = np.asarray(shared.get(name))
        if array.shape != (features,) or array.dtype.kind not in "fiu":
            raise Refusal("scales its features by one mean and deviation for each of them only")
        if not np.isfinite(array).all() or (name != "mean" and (array < 0).any()):
            raise Refusal("scales its features by finite means and deviations only")
