"""Random-effects meta-analysis: variation between centres, prediction interval of a new one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from flame.evaluation.metrics.estimates import NAN

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RandomEffects:
    """Mean over centres, variation between them, and prediction interval of a new centre.

    Args:
        mean: random-effects mean; NaN where undefined.
        low: lower bound of its 95 % interval.
        high: upper bound of its 95 % interval.
        tau2: variance between centres, in the squared unit of the pooled values.
        i2: share of the observed variance that lies between centres, 0 to 1.
        new_low: lower bound of the 95 % prediction interval for a new centre.
        new_high: upper bound of the prediction interval; NaN with fewer than three centres.
        reason: why a field is undefined; empty where all are defined.
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
    """Pool one value from each centre by random effects, for few centres.

    Let w = 1 / error^2, m the mean with weights w, and Q = sum w (value - m)^2. Then tau2 = max(0,
    (Q - (k - 1)) / (sum w - sum w^2 / sum w)) and I2 = max(0, 1 - (k - 1) / Q). The random-effects
    mean has weights u = 1 / (error^2 + tau2), and the variance max(1, H) / sum u with
    H = sum u (value - mean)^2 / (k - 1). Its interval has k - 1 degrees of freedom (Hartung, Knapp,
    Sidik and Jonkman), that of a new centre k - 2. With the normal distribution and 1 / sum u,
    intervals of three centres hold the mean in 81 to 91 % of cases instead of 95 %.

    Args:
        values: (k,) value of each centre.
        errors: (k,) standard error of each value.

    Returns:
        The summary; undefined for fewer than two centres or if an error is 0.

    Reference:
        tau2: DerSimonian and Laird 1986, doi:10.1016/0197-2456(86)90046-2. Interval: Hartung and
        Knapp 2001, doi:10.1002/sim.791; never narrower: Roever 2015, doi:10.1186/s12874-015-0091-1.
        New centre: Higgins 2009, doi:10.1111/j.1467-985X.2008.00552.x.

    Example:
        >>> effects = random_effects(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
        >>> effects.mean, float(effects.tau2), effects.i2
        (1.0, 1.0, 0.5)
    """
    k = len(values)
    if k < 2:
        return RandomEffects(NAN, reason="fewer than two hospitals have a value")
    if (errors <= 0).any():
        return RandomEffects(NAN, reason="the interval of a hospital has zero width")
    weight = 1 / errors**2
    fixed = weight @ values / weight.sum()
    q = float(weight @ (values - fixed) ** 2)
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    tau2 = max(0.0, (q - (k - 1)) / scale)
    i2 = max(0.0, 1 - (k - 1) / q) if q > 0 else 0.0
    weight = 1 / (errors**2 + tau2)
    mean = float(weight @ values / weight.sum())
    spread = float(weight @ (values - mean) ** 2) / (k - 1)
    variance = max(1.0, spread) / weight.sum()
    half = t.ppf(0.975, k - 1) * np.sqrt(variance)
    if k < 3:
        reason = "a prediction interval needs at least three hospitals"
        return RandomEffects(mean, mean - half, mean + half, tau2, i2, reason=reason)
    new = t.ppf(0.975, k - 2) * np.sqrt(tau2 + variance)
    return RandomEffects(mean, mean - half, mean + half, tau2, i2, mean - new, mean + new)
