"""ComBat harmonisation of features across centres, fitted from per-centre sums.

Johnson 2007 (doi:10.1093/biostatistics/kxj037); Fortin 2018 (doi:10.1016/j.neuroimage.2017.11.024).
With an intercept a centre, the regression on covariates needs only each centre's means and centred
products; the empirical Bayes step is a centre's own. So no patient row leaves a centre, and the
result is what the pooled fit gives.
"""

from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput

Array = NDArray[np.float64]

_CONVERGED = 1e-4
_CONSTANT = 1e-12
"""Pooled variance, relative to the squared mean, below which a feature counts as constant."""


@dataclass(frozen=True, eq=False)
class CentreSummary:
    """Counts, means and centred products of covariates x (p) and features y (g) of one centre."""

    count: int
    mean_x: Array
    mean_y: Array
    xx: Array
    xy: Array
    yy: Array


@dataclass(frozen=True, eq=False)
class ComBat:
    """What all centres share: grand mean (g), slopes of covariates (p, g), pooled variance (g).

    ``varies`` says which features can be harmonised; constant ones are left as they are.
    """

    grand_mean: Array
    slopes: Array
    variance: Array
    varies: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Adjustment:
    """One centre's shift and scale of each standardised feature, after empirical Bayes."""

    shift: Array
    scale: Array


def summarise(features: Array, covariates: Array) -> CentreSummary:
    """Summarise one centre: ``features`` (patients, g), ``covariates`` (patients, p), no NaN."""
    if not (np.isfinite(features).all() and np.isfinite(covariates).all()):
        raise BadInput("ComBat needs complete features and covariates; fill the gaps first")
    if not len(features):
        raise BadInput("ComBat needs at least one patient at every centre")
    x, y = covariates - covariates.mean(axis=0), features - features.mean(axis=0)
    return CentreSummary(
        len(features),
        covariates.mean(axis=0),
        features.mean(axis=0),
        x.T @ x,
        x.T @ y,
        (y**2).sum(axis=0),
    )


def merge(summaries: list[CentreSummary], names: list[str] | None = None) -> ComBat:
    """Fit what the centres share. ``names`` are those of the covariates, for the error.

    Raises BadInput where covariates do not vary within centres, or only together: then nothing
    tells their effect from that of the centre.
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
    if not len(xx):
        return
    means = np.array([s.mean_x for s in summaries])
    counts = np.array([s.count for s in summaries], float)
    middle = counts @ means / counts.sum()
    whole = xx + (means - middle).T @ (counts[:, None] * (means - middle))
    spread = np.sqrt(np.maximum(np.diag(whole), 1e-300))
    within = np.diag(xx) / spread**2
    for name, share in zip(names, within, strict=True):
        if share < 1e-10:
            raise BadInput(
                f"covariate '{name}' does not vary within any centre: its effect cannot be told "
                "from the centre's; leave it out"
            )
    if np.linalg.eigvalsh(xx / np.outer(spread, spread)).min() < 1e-10:
        raise BadInput(
            f"covariates {', '.join(names)} vary within centres only together; leave one out"
        )


def adjust(fitted: ComBat, features: Array, covariates: Array) -> Adjustment:
    """Return the adjustment of a centre from its own patients, seen in the fit or not.

    A centre of one patient has no spread: its scale stays 1 and its shift is shrunk alone.
    """
    z = _standardised(fitted, features, covariates)[:, fitted.varies]
    shift, scale = np.zeros(features.shape[1]), np.ones(features.shape[1])
    if not z.shape[1]:
        return Adjustment(shift, scale)
    shift_hat = z.mean(axis=0)
    prior, spread = shift_hat.mean(), _variance(shift_hat)
    if len(z) == 1:
        found = _posterior_mean(shift_hat, prior, 1, np.ones_like(shift_hat), spread)
        shift[fitted.varies] = found
        return Adjustment(shift, scale)
    scale_hat = z.var(axis=0, ddof=1)
    middle, width = scale_hat.mean(), _variance(scale_hat)
    if not width > 0:  # one feature, or all alike: nothing to borrow from
        shift[fitted.varies] = shift_hat
        scale[fitted.varies] = np.where(scale_hat > 0, scale_hat, 1)
        return Adjustment(shift, scale)
    alpha = (2 * width + middle**2) / width
    beta = (middle * width + middle**3) / width
    found, wide = shift_hat, scale_hat
    for _ in range(1000):
        new = _posterior_mean(shift_hat, prior, len(z), wide, spread)
        squares = ((z - new) ** 2).sum(axis=0)
        wider = (0.5 * squares + beta) / (len(z) / 2 + alpha - 1)
        # The stopping rule of neuroCombat, which this equals: signed, relative to the last step.
        change = max((np.abs(new - found) / found).max(), (np.abs(wider - wide) / wide).max())
        found, wide = new, wider
        if not change > _CONVERGED:
            break
    shift[fitted.varies], scale[fitted.varies] = found, wide
    return Adjustment(shift, scale)


def _variance(values: Array) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _posterior_mean(hat: Array, prior: float, count: int, scale: Array, spread: float) -> Array:
    return np.asarray((spread * count * hat + scale * prior) / (spread * count + scale))


def _standardised(fitted: ComBat, features: Array, covariates: Array) -> Array:
    expected = fitted.grand_mean + covariates @ fitted.slopes
    deviation = np.sqrt(np.where(fitted.varies, fitted.variance, 1))
    return np.asarray((features - expected) / deviation)


def harmonise(fitted: ComBat, adjustment: Adjustment, features: Array, covariates: Array) -> Array:
    """Return features (patients, g) without the centre's shift and scale; constant ones as is."""
    z = _standardised(fitted, features, covariates)
    z = (z - adjustment.shift) / np.sqrt(adjustment.scale)
    back = z * np.sqrt(fitted.variance) + fitted.grand_mean + covariates @ fitted.slopes
    return np.where(fitted.varies, back, features)
