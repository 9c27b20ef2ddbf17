"""Mattes mutual information of two volumes under an affine map, with its gradient.

It uses a joint histogram of intensities at sample points of the fixed image. A cubic B-spline
smooths the histogram along the moving axis, so that the derivative by any parameter is a sum over
the same points.

Reference:
    Mattes et al. 2003, doi:10.1109/TMI.2003.809072.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

_BINS = 32
"""Number of histogram bins along each axis."""
_PAD = 2
"""Empty bins at each end of the histogram, so that a B-spline never leaves it."""
_LEAST_OVERLAP = 0.25
"""Smallest share of sample points that must lie inside the moving volume."""

Points = NDArray[np.float32]
Volume = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Similarity:
    """Mutual information of sample points of the fixed image with the moving volume.

    The value is I = sum over bins of p(f, m) log(p(f, m) / (p(f) p(m))), in nats.

    Args:
        points: world coordinates (n, 3) of the fixed image in mm.
        bins: intensity bin (n,) of each point.
        moving: moving volume (x, y, z) as positions in the histogram, from ``to_bins``.
        to_index: matrix (4, 4) from the moving world in mm to voxel indices.
    """

    points: Points
    bins: NDArray[np.int64]
    moving: Volume
    to_index: NDArray[np.float64]

    def __call__(
        self, matrix: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return the mutual information in nats, with its derivatives.

        Args:
            matrix: RAS+ matrix (4, 4) in mm from the fixed to the moving world.

        Returns:
            Mutual information, its derivative by the translation (3,), and its derivative by the
            linear part (3, 3). All are 0 if less than a quarter of the points lie inside the moving
            volume.
        """
        pull = (self.to_index @ matrix).astype(np.float32)
        value, shift, linear = _evaluate(self.points, self.bins, self.moving, pull, _LEAST_OVERLAP)
        world = self.to_index[:3, :3]
        return value, world.T @ shift, world.T @ linear


def to_bins(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Convert intensities to positions in the histogram.

    Args:
        values: intensities of any shape.
        low: intensity of the first bin; lower ones are clipped.
        high: intensity of the last bin; higher ones are clipped.

    Returns:
        Positions of the same shape, between the empty bins at both ends of the histogram.

    Example:
        >>> to_bins(np.array([0.0, 1.0, 5.0], np.float32), low=0.0, high=1.0)
        array([ 2., 29., 29.], dtype=float32)
    """
    scaled = (values - low) * ((_BINS - 2 * _PAD - 1) / max(high - low, 1e-12)) + _PAD
    return np.asarray(np.clip(scaled, _PAD, _BINS - _PAD - 1), np.float32)


@numba.njit(cache=True, inline="always")
def _spline(x: float) -> tuple[float, float, float, float]:
    """Return the cubic B-spline weights of four bins; ``x`` is the position past the second bin."""
    y = 1.0 - x
    return (
        y * y * y / 6.0,
        (3.0 * x * x * x - 6.0 * x * x + 4.0) / 6.0,
        (3.0 * y * y * y - 6.0 * y * y + 4.0) / 6.0,
        x * x * x / 6.0,
    )


@numba.njit(cache=True, inline="always")
def _slope(x: float) -> tuple[float, float, float, float]:
    """Return the derivatives by ``x`` of the four weights of ``_spline``."""
    y = 1.0 - x
    return -0.5 * y * y, 1.5 * x * x - 2.0 * x, -1.5 * y * y + 2.0 * y, 0.5 * x * x


@numba.njit(cache=True)
def _sample(
    points: Points,
    moving: Volume,
    pull: NDArray[np.float32],
    values: NDArray[np.float32],
    gradients: Points,
) -> int:
    """Fill trilinear values and gradients of ``moving`` at the mapped points.

    The value of a point outside is -1. The number of points inside is returned.
    """
    nx, ny, nz = moving.shape
    inside = 0
    for i in range(points.shape[0]):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        x = pull[0, 0] * px + pull[0, 1] * py + pull[0, 2] * pz + pull[0, 3]
        y = pull[1, 0] * px + pull[1, 1] * py + pull[1, 2] * pz + pull[1, 3]
        z = pull[2, 0] * px + pull[2, 1] * py + pull[2, 2] * pz + pull[2, 3]
        if not (0.0 <= x < nx - 1 and 0.0 <= y < ny - 1 and 0.0 <= z < nz - 1):
            values[i] = -1.0
            continue
        inside += 1
        a, b, c = int(x), int(y), int(z)
        u, v, w = x - a, y - b, z - c
        # The values at the corners of the voxel, then differences and means along each axis.
        c000, c001 = moving[a, b, c], moving[a, b, c + 1]
        c010, c011 = moving[a, b + 1, c], moving[a, b + 1, c + 1]
        c100, c101 = moving[a + 1, b, c], moving[a + 1, b, c + 1]
        c110, c111 = moving[a + 1, b + 1, c], moving[a + 1, b + 1, c + 1]
        c00 = c000 + w * (c001 - c000)
        c01 = c010 + w * (c011 - c010)
        c10 = c100 + w * (c101 - c100)
        c11 = c110 + w * (c111 - c110)
        low = c00 + v * (c01 - c00)
        high = c10 + v * (c11 - c10)
        values[i] = low + u * (high - low)
        gradients[i, 0] = high - low
        gradients[i, 1] = (1 - u) * (c01 - c00) + u * (c11 - c10)
        down = (1 - v) * (c001 - c000) + v * (c011 - c010)
        up = (1 - v) * (c101 - c100) + v * (c111 - c110)
        gradients[i, 2] = (1 - u) * down + u * up
    return inside


@numba.njit(cache=True)
def _joint(bins: NDArray[np.int64], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the joint histogram (fixed, moving) of the points inside, with sum 1."""
    joint = np.zeros((_BINS, _BINS))
    for i in range(bins.shape[0]):
        if values[i] < 0:
            continue
        first = int(values[i])
        weights = _spline(values[i] - first)
        for k in range(4):
            joint[bins[i], first - 1 + k] += weights[k]
    joint /= joint.sum()
    return joint


@numba.njit(cache=True)
def _evaluate(
    points: Points,
    bins: NDArray[np.int64],
    moving: Volume,
    pull: NDArray[np.float32],
    least: float,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the mutual information and its derivatives by translation and linear part.

    They are taken in voxels of the moving volume; ``least`` is the smallest share of points inside.
    """
    count = points.shape[0]
    values = np.empty(count, np.float32)
    gradients = np.empty((count, 3), np.float32)
    shift = np.zeros(3)
    linear = np.zeros((3, 3))
    inside = _sample(points, moving, pull, values, gradients)
    if inside < least * count:
        return 0.0, shift, linear
    joint = _joint(bins, values)
    fixed = joint.sum(axis=1)
    marginal = joint.sum(axis=0)
    information = 0.0
    ratio = np.zeros((_BINS, _BINS))
    for f in range(_BINS):
        for m in range(_BINS):
            if joint[f, m] > 1e-12:
                ratio[f, m] = np.log(joint[f, m] / marginal[m])
                information += joint[f, m] * (ratio[f, m] - np.log(fixed[f]))
    for i in range(count):
        if values[i] < 0:
            continue
        first = int(values[i])
        slopes = _slope(values[i] - first)
        weight = 0.0
        for k in range(4):
            weight += slopes[k] * ratio[bins[i], first - 1 + k]
        weight /= inside
        for r in range(3):
            g = weight * gradients[i, r]
            shift[r] += g
            for c in range(3):
                linear[r, c] += g * points[i, c]
    return information, shift, linear
