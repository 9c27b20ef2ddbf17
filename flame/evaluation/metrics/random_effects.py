"""Random-effects meta-analysis: variation between centres, and the range for a new centre."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from flame.evaluation.metrics.estimates import NAN
from flame.models.regression.survival_curves import Z

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RandomEffects:
    """Mean over centres, variation between them, and prediction interval.

    Args:
        mean: random-effects mean; NaN where undefined.
        low: lower bound of its 95 % interval.
        high: upper bound of its 95 % interval.
        tau2: variance between centres.
        i2: share of the observed variance that lies between centres, 0 to 1.
        new_low: lower bound of the 95 % prediction interval for a new centre.
        new_high: upper bound of that interval, which needs at least three centres.
        reason: why something is undefined.
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
    """Pool one value from each centre with the random-effects model of DerSimonian and Laird.

    With weights w = 1 / error^2, fixed mean m and Q = sum w (value - m)^2: tau2 = max(0, (Q - (k -
    1)) / (sum w - sum w^2 / sum w)). The mean then has weights 1 / (error^2 + tau2). The prediction
    interval has k - 2 degrees of freedom.

    Args:
        values: (k,) value of each centre.
        errors: (k,) standard errors.

    Returns:
        The summary; undefined for one centre or an error of 0.

    Reference:
        DerSimonian and Laird 1986, doi:10.1016/0197-2456(86)90046-2. Prediction interval: Higgins
        2009, doi:10.1111/j.1467-985X.2008.00552.x.

    Example:
        >>> effects = random_effects(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
        >>> effects.mean, float(effects.tau2), effects.i2
        (1.0, 1.0, 0.5)
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
