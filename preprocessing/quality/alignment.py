"""Alignment of two scans, measured from the images alone."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import Scan

SHIFT_MM = 5.0
"""Shift in mm against which alignment is compared."""
_BINS = 32
"""Number of histogram bins of each scan, of equal counts."""
_POINTS = 100_000
"""Approximate number of brain voxels at which scans are compared: every n-th voxel is used."""

Mask = NDArray[np.bool_]


def alignment(fixed: Scan, scan: Scan, brain: Mask) -> float:
    """Measure how much more similar two scans are in place than after shifts of 5 mm.

    The measure is above 2 for aligned scans and about 1 for misaligned ones. Unlike the similarity
    itself, it hardly depends on sequences, slice thickness or scanner. Points near the edge of the
    brain are left out, because the outline alone would reveal a shift.

    Args:
        fixed: reference scan.
        scan: other scan on the same grid.
        brain: brain mask (x, y, z) on that grid.

    Returns:
        Normalised mutual information of the scans, divided by its mean over shifts of 5 mm in both
        directions along each axis. NaN if no points remain, or if all shifts give 0.
    """
    steps = np.ceil(SHIFT_MM / fixed.spacing - 1e-6).astype(int)
    moves = [sign * step for step, sign in product(np.diag(steps), (-1, 1))]
    points = np.argwhere(brain)
    deep = np.all([_within(brain, points + m) for m in moves], axis=0)
    points = points[deep][:: max(1, int(deep.sum()) // _POINTS)]
    if not len(points):
        return float("nan")
    values = fixed.voxels[tuple(points.T)]
    in_place, *shifted = [
        similarity(values, scan.voxels[tuple((points + m).T)]) for m in (np.zeros(3, int), *moves)
    ]
    return in_place / float(np.mean(shifted)) if max(shifted) > 0 else float("nan")


def _within(mask: Mask, points: NDArray[np.intp]) -> Mask:
    """Return which points, as voxel indices (n, 3), lie inside the mask."""
    inside = np.asarray(((points >= 0) & (points < mask.shape)).all(axis=1))
    inside[inside] = mask[tuple(points[inside].T)]
    return inside


def similarity(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Compute the normalised mutual information 2 I(a, b) / (H(a) + H(b)) of two samples.

    Values are grouped into 32 bins of equal counts.

    Args:
        a: sample (n,).
        b: sample (n,) at the same points.

    Returns:
        Normalised mutual information, from 0 (independent) to 1; 0 if both samples are constant.

    Example:
        >>> values = np.arange(320, dtype=np.float32)
        >>> round(similarity(values, values), 6), similarity(values, np.zeros(320, np.float32))
        (1.0, 0.0)
    """
    edges = [np.quantile(v, np.linspace(0, 1, _BINS + 1)[1:-1]) for v in (a, b)]
    rows, columns = (np.searchsorted(e, v) for e, v in zip(edges, (a, b), strict=True))
    joint = np.bincount(rows * _BINS + columns, minlength=_BINS**2).reshape(_BINS, _BINS)
    p = joint / joint.sum()
    entropies = _entropy(p.sum(axis=0)) + _entropy(p.sum(axis=1))
    return 2 * (entropies - _entropy(p.ravel())) / entropies if entropies > 0 else 0.0


def _entropy(p: NDArray[np.float64]) -> float:
    """Return the entropy of a distribution in nats."""
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
