"""ComBat harmonisation of features across centres, fitted from sums of each centre.

With one intercept per centre, the regression on covariates needs only the means and centred
products of each centre. The empirical Bayes step uses only the patients of its centre. So no
patient data leave a centre, and the result equals the pooled fit.

Reference:
    Johnson et al. 2007, doi:10.1093/biostatistics/kxj037.
    Fortin et al. 2018, doi:10.1016/j.neuroimage.2017.11.024.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput

Array = NDArray[np.float64]

_CONVERGED = 1e-4
"""Relative change below which the empirical Bayes iteration stops."""
_CONSTANT = 1e-12
"""Pooled variance, relative to the squared mean, below which a feature counts as constant."""


@dataclass(frozen=True, eq=False)
class CentreSummary:
    """Summary of one centre with p covariates x and g features y.

    Args:
        count: number of patients.
        mean_x: means of the covariates (p,).
        mean_y: means of the features (g,).
        xx: centred products of covariates (p, p).
        xy: centred products of covariates and features (p, g).
        yy: sums of squared deviations of the features (g,).
    """

    count: int
    mean_x: Array
    mean_y: Array
    xx: Array
    xy: Array
    yy: Array


@dataclass(frozen=True, eq=False)
class ComBat:
    """Parameters that all centres share.

    Args:
        grand_mean: intercept (g,), averaged over patients.
        slopes: slopes of the covariates (p, g).
        variance: pooled residual variance (g,).
        varies: whether a feature can be harmonised (g,); constant ones are left unchanged.
    """

    grand_mean: Array
    slopes: Array
    variance: Array
    varies: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Adjustment:
    """Adjustment of one centre after empirical Bayes.

    Args:
        shift: shift of each standardised feature (g,).
        scale: variance of each standardised feature (g,).
    """

    shift: Array
    scale: Array


def summarise(features: Array, covariates: Array) -> CentreSummary:
    """Summarise the patients of one centre.

    Args:
        features: features (n, g).
        covariates: covariates (n, p).

    Returns:
        Means and centred products of the centre.

    Raises:
        BadInput: a value is missing, or the centre has no patient.
    """
    if not (np.isfinite(features).all() and np.isfinite(covariates).all()):
        raise BadInput("ComBat needs complete features and covariates; fill the gaps first")
    if not len(features):
        raise BadInput("ComBat needs at least one patient at every centre")
    x = covariates - covariates.mean(axis=0)
    y = features - features.mean(axis=0)
    return CentreSummary(
        len(features),
        covariates.mean(axis=0),
        features.mean(axis=0),
        x.T @ x,
        x.T @ y,
        (y**2).sum(axis=0),
    )


def merge(summaries: list[CentreSummary], names: list[str] | None = None) -> ComBat:
    """Fit the parameters that all centres share.

    Args:
        summaries: summary of each centre.
        names: names of the covariates for error messages; None: their indices.

    Returns:
        Parameters that all centres share.

    Raises:
        BadInput: covariates do not vary within centres, or only together, so that their effect
            cannot be separated.

    Example:
        >>> none = np.zeros((2, 0))  # no covariates
        >>> a, b = np.array([[0.0], [2.0]]), np.array([[10.0], [12.0]])
        >>> fitted = merge([summarise(a, none), summarise(b, none)])
        >>> fitted.grand_mean, fitted.variance
        (array([6.]), array([1.]))
        >>> harmonise(fitted, adjust(fitted, a, none), a, none).round(3).ravel()
        array([5.293, 6.707])
        >>> harmonise(fitted, adjust(fitted, b, none), b, none).round(3).ravel()
        array([5.293, 6.707])
    """
    xx = reduce(np.add, (s.xx for s in summaries))
    xy = reduce(np.add, (s.xy for s in summaries))
    _refuse_confounded(xx, summaries, names or [str(i) for i in range(len(xx))])
    slopes = np.asarray(np.linalg.solve(xx, xy) if len(xx) else np.zeros_like(xy), float)
    total = sum(s.count for s in summaries)
    intercepts = [s.count / total * (s.mean_y - s.mean_x @ slopes) for s in summaries]
    residual = [
        s.yy - 2 * (slopes * s.xy).sum(axis=0) + (slopes * (s.xx @ slopes)).sum(axis=0)
        for s in summaries
    ]
    grand_mean: Array = reduce(np.add, intercepts)
    variance = np.maximum(reduce(np.add, residual), 0) / total
    size = np.maximum(grand_mean**2, max(float(variance.max(initial=0)), 1e-300) * 1e-12)
    return ComBat(grand_mean, slopes, variance, variance > _CONSTANT * size)


def _refuse_confounded(xx: Array, summaries: list[CentreSummary], names: list[str]) -> None:
    """Raise BadInput if covariates do not vary within centres, or only together."""
    if not len(xx):
        return
    means = np.array([s.mean_x for s in summaries])
    counts = np.array([s.count for s in summaries], float)
    pooled_mean = counts @ means / counts.sum()
    between = (means - pooled_mean).T @ (counts[:, None] * (means - pooled_mean))
    spread = np.sqrt(np.maximum(np.diag(xx + between), 1e-300))
    within = np.diag(xx) / spread**2
    for name, share in zip(names, within, strict=True):
        if share < 1e-10:
            raise BadInput(
                f"covariate '{name}' does not vary within any centre: its effect cannot be "
                "separated from the centre's; leave it out"
            )
    if np.linalg.eigvalsh(xx / np.outer(spread, spread)).min() < 1e-10:
        raise BadInput(
            f"covariates {', '.join(names)} vary within centres only together; leave one out"
        )


def adjust(fitted: ComBat, features: Array, covariates: Array) -> Adjustment:
    """Estimate the adjustment of a centre from its own patients.

    The centre may, but need not, have been part of the fit. Shifts and scales are shrunk towards
    their distribution over features.

    Args:
        fitted: parameters that all centres share.
        features: features of the centre (n, g).
        covariates: covariates of the centre (n, p).

    Returns:
        Shift and scale of each feature. The scale of a centre with one patient is 1.
    """
    z = _standardised(fitted, features, covariates)[:, fitted.varies]
    shift = np.zeros(features.shape[1])
    scale = np.ones(features.shape[1])
    if not z.shape[1]:
        return Adjustment(shift, scale)
    shift_hat = z.mean(axis=0)
    prior = shift_hat.mean()
    spread = _variance(shift_hat)
    if len(z) == 1:
        ones = np.ones_like(shift_hat)
        shift[fitted.varies] = _posterior_mean(shift_hat, prior, 1, ones, spread)
        return Adjustment(shift, scale)
    scale_hat = z.var(axis=0, ddof=1)
    middle = scale_hat.mean()
    width = _variance(scale_hat)
    if not width > 0:  # one feature or equal features: no distribution to shrink to
        shift[fitted.varies] = shift_hat
        scale[fitted.varies] = np.where(scale_hat > 0, scale_hat, 1)
        return Adjustment(shift, scale)
    alpha = (2 * width + middle**2) / width
    beta = (middle * width + middle**3) / width
    posterior_shift = shift_hat
    posterior_scale = scale_hat
    for _ in range(1000):
        new_shift = _posterior_mean(shift_hat, prior, len(z), posterior_scale, spread)
        squares = ((z - new_shift) ** 2).sum(axis=0)
        new_scale = (0.5 * squares + beta) / (len(z) / 2 + alpha - 1)
        # neuroCombat's stopping rule, used here for equal results: signed relative change.
        change = max(
            (np.abs(new_shift - posterior_shift) / posterior_shift).max(),
            (np.abs(new_scale - posterior_scale) / posterior_scale).max(),
        )
        posterior_shift = new_shift
        posterior_scale = new_scale
        if not change > _CONVERGED:
            break
    shift[fitted.varies] = posterior_shift
    scale[fitted.varies] = posterior_scale
    return Adjustment(shift, scale)


def _variance(values: Array) -> float:
    """Return the sample variance; 0 for fewer than two values."""
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _posterior_mean(hat: Array, prior: float, count: int, scale: Array, spread: float) -> Array:
    """Return the shifts (g,) shrunk towards their prior mean; ``spread`` is the prior variance."""
    return np.asarray((spread * count * hat + scale * prior) / (spread * count + scale))


def _standardised(fitted: ComBat, features: Array, covariates: Array) -> Array:
    """Return the features (n, g) less their expected value, over the pooled deviation."""
    expected = fitted.grand_mean + covariates @ fitted.slopes
    deviation = np.sqrt(np.where(fitted.varies, fitted.variance, 1))
    return np.asarray((features - expected) / deviation)


def harmonise(fitted: ComBat, adjustment: Adjustment, features: Array, covariates: Array) -> Array:
    """Remove the shift and scale of a centre from its features.

    With standardised features z, y' = sd (z - shift) / sqrt(scale) + mean + x slopes.

    Args:
        fitted: parameters that all centres share.
        adjustment: adjustment of the centre.
        features: features of the centre (n, g).
        covariates: covariates of the centre (n, p).

    Returns:
        Harmonised features (n, g); constant ones are unchanged.
    """
    z = _standardised(fitted, features, covariates)
    z = (z - adjustment.shift) / np.sqrt(adjustment.scale)
    harmonised = z * np.sqrt(fitted.variance) + fitted.grand_mean + covariates @ fitted.slopes
    return np.where(fitted.varies, harmonised, features)
