"""Figures of centres together: how much they differ, and what a new centre may expect."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from flame.evaluation.metrics.estimates import NAN
from flame.models.regression.survival_curves import Z

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RandomEffects:
    """Mean over centres with its 95 % interval; ``tau2`` is the variance between centres.

    ``i2`` is the share of it in what is seen; ``new_low`` and ``new_high`` bound the 95 %
    prediction interval for a centre of its own, which takes three centres.
    """

    mean: float
    low: float = NAN
    high: float = NAN
    tau2: float = NAN
    i2: float = NAN
    new_low: float = NAN
    new_high: float = NAN
    reason: str = ""


def random_effects(values: Array, errors: Array) -> RandomEffects:
    """DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2) of one value a centre.

    ``errors`` are standard errors. Prediction interval after Higgins (2009,
    doi:10.1111/j.1467-985X.2008.00552.x), with k - 2 degrees of freedom.
    """
    k = len(values)
    if k < 2:
        return RandomEffects(NAN, reason="fewer than two centres have a figure")
    if (errors <= 0).any():
        return RandomEffects(NAN, reason="a centre's interval has no width")
    weight = 1 / errors**2
    fixed = weight @ values / weight.sum()
    q = float(weight @ (values - fixed) ** 2)
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    tau2 = max(0.0, (q - (k - 1)) / scale)
    i2 = max(0.0, 1 - (k - 1) / q) if q > 0 else 0.0
    weight = 1 / (errors**2 + tau2)
    mean, variance = float(weight @ values / weight.sum()), 1 / weight.sum()
    half = Z * np.sqrt(variance)
    if k < 3:
        reason = "a prediction interval needs three centres"
        return RandomEffects(mean, mean - half, mean + half, tau2, i2, reason=reason)
    new = t.ppf(0.975, k - 2) * np.sqrt(tau2 + variance)
    return RandomEffects(mean, mean - half, mean + half, tau2, i2, mean - new, mean + new)
