"""How well two scans lie on each other, told from the images alone."""

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import Scan

SHIFT_MM = 5.0
_BINS = 32
_POINTS = 100_000

Mask = NDArray[np.bool_]


def alignment(fixed: Scan, scan: Scan, brain: Mask) -> float:
    """Normalised mutual information of two scans on one grid over its mean 5 mm away.

    Above 2 where they lie on each other, about 1 where they do not: unlike the information itself
    it hardly depends on sequences, slices or scanner. Points near the edge of the brain are left
    out, as its outline alone would tell where it is. NaN where there are no points.
    """
    steps = np.ceil(SHIFT_MM / fixed.spacing - 1e-6).astype(int)
    moves = [sign * step for step in np.diag(steps) for sign in (-1, 1)]
    points = np.argwhere(brain)
    deep = np.all([_within(brain, points + m) for m in moves], axis=0)
    points = points[deep][:: max(1, int(deep.sum()) // _POINTS)]
    if not len(points):
        return float("nan")
    at = fixed.voxels[tuple(points.T)]
    own, *away = [
        similarity(at, scan.voxels[tuple((points + m).T)]) for m in (np.zeros(3, int), *moves)
    ]
    return own / float(np.mean(away)) if max(away) > 0 else float("nan")


def _within(mask: Mask, points: NDArray[np.intp]) -> Mask:
    inside = np.asarray(((points >= 0) & (points < mask.shape)).all(axis=1))
    inside[inside] = mask[tuple(points[inside].T)]
    return inside


def similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Normalised mutual information 2 I(a, b) / (H(a) + H(b)) of two samples, 0 to 1."""
    edges = [np.quantile(v, np.linspace(0, 1, _BINS + 1)[1:-1]) for v in (a, b)]
    rows, columns = (np.searchsorted(e, v) for e, v in zip(edges, (a, b), strict=True))
    joint = np.bincount(rows * _BINS + columns, minlength=_BINS**2).reshape(_BINS, _BINS)
    p = joint / joint.sum()
    each = _entropy(p.sum(axis=0)) + _entropy(p.sum(axis=1))
    return 2 * (each - _entropy(p.ravel())) / each if each > 0 else 0.0


def _entropy(p: NDArray[np.float64]) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
