"""Alignment of two scans, measured from the images alone."""

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import Scan

SHIFT_MM = 5.0
"""Shift in mm against which alignment is compared."""
_BINS = 32
_POINTS = 100_000

Mask = NDArray[np.bool_]


def alignment(fixed: Scan, scan: Scan, brain: Mask) -> float:
    """Return the similarity of two scans divided by its mean after shifts of 5 mm along each axis.

    It is above 2 for aligned scans and about 1 for misaligned ones. Unlike the similarity itself,
    it hardly depends on sequences, slice thickness or scanner. Points near the edge of the brain
    are left out, as the outline alone would reveal a shift.

    Args:
        fixed: reference scan.
        scan: other scan on the same grid.
        brain: brain mask (x, y, z) on that grid.

    Returns:
        Ratio of normalised mutual information; NaN without points, or if all shifts give 0.
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
    """Return the normalised mutual information 2 I(a, b) / (H(a) + H(b)), from 0 to 1.

    Values are grouped into 32 bins of equal counts.

    Args:
        a: sample (n,).
        b: sample (n,) at the same points.

    Example:
        >>> values = np.arange(320, dtype=np.float32)
        >>> round(similarity(values, values), 6), similarity(values, np.zeros(320, np.float32))
        (1.0, 0.0)
    """
    edges = [np.quantile(v, np.linspace(0, 1, _BINS + 1)[1:-1]) for v in (a, b)]
    rows, columns = (np.searchsorted(e, v) for e, v in zip(edges, (a, b), strict=True))
    joint = np.bincount(rows * _BINS + columns, minlength=_BINS**2).reshape(_BINS, _BINS)
    p = joint / joint.sum()
    each = _entropy(p.sum(axis=0)) + _entropy(p.sum(axis=1))
    return 2 * (each - _entropy(p.ravel())) / each if each > 0 else 0.0


def _entropy(p: NDArray[np.float64]) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
