"""Lesions of a mask as RANO measures them: volume and product of two diameters."""

from collections.abc import Iterable
from dataclasses import dataclass

import contourpy
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    binary_opening,
    gaussian_filter,
    generate_binary_structure,
    label,
)
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

from flame.core.imaging import LabelMap

MEASURABLE_MM = 10.0
"""Smallest diameter in mm of a measurable lesion (RANO; Wen et al. 2010)."""
MEASURABLE_SLICES = 2
"""Smallest number of axial slices on which a measurable lesion has both diameters (RANO)."""
_SMOOTHING = 0.7
"""Standard deviation in pixels of the smoothing of an outline before diameters are measured."""
_POINTS = 4
"""Points on each line of an outline that crosses a pixel."""
NEAR_MM = 5.0
"""Distance in mm from an earlier lesion within which a later one counts as the same."""


@dataclass(frozen=True, eq=False)
class Lesion:
    """Connected component of a mask.

    Args:
        volume: volume in ml.
        diameter: largest diameter in mm, on the axial slice with the largest product.
        perpendicular: largest diameter at right angles to it, in mm, on that slice.
        slices: number of axial slices on which both diameters are at least 10 mm.
        voxels: mask (x, y, z) of the component.
    """

    volume: float
    diameter: float
    perpendicular: float
    slices: int
    voxels: NDArray[np.bool_]

    @property
    def product(self) -> float:
        """Product of both diameters in mm²."""
        return self.diameter * self.perpendicular

    @property
    def measurable(self) -> bool:
        """Whether it measures at least 10 by 10 mm on two slices.

        Reference:
            Wen et al. 2010, doi:10.1200/JCO.2009.26.3541.
        """
        return self.slices >= MEASURABLE_SLICES


def lesions(mask: LabelMap) -> list[Lesion]:
    """Find the lesions of a mask and measure them.

    Args:
        mask: mask (x, y, z) with axial slices along z; voxels that touch at a corner are connected.

    Returns:
        Lesions, the one with the largest product of diameters first.
    """
    parts, count = label(mask.voxels > 0, generate_binary_structure(3, 3))
    spacing = np.linalg.norm(mask.affine[:3, :3], axis=0)
    measured = [_measured(parts == n, spacing) for n in range(1, count + 1)]
    return sorted(measured, key=lambda lesion: -lesion.product)


def near(targets: Iterable[Lesion], spacing: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Find the voxels within about NEAR_MM of any lesion.

    Args:
        targets: lesions on one grid.
        spacing: side lengths (3,) of a voxel in mm.

    Returns:
        Mask (x, y, z) of these voxels; None if there are no lesions.
    """
    parts = [lesion.voxels for lesion in targets]
    if not parts:
        return None
    steps = int(np.ceil(NEAR_MM / spacing.min()))
    return np.asarray(binary_dilation(np.logical_or.reduce(parts), iterations=steps))


def _measured(part: NDArray[np.bool_], spacing: NDArray[np.float64]) -> Lesion:
    """Return the lesion of one component (x, y, z); spacing (3,) is in mm."""
    best = (0.0, 0.0)
    slices = 0
    for z in np.flatnonzero(part.any(axis=(0, 1))):
        pair = diameters(part[:, :, z], spacing[:2])
        slices += min(pair) >= MEASURABLE_MM
        best = max(best, pair, key=lambda p: p[0] * p[1])
    return Lesion(float(part.sum() * spacing.prod() / 1000), *best, int(slices), part)


def diameters(part: NDArray[np.bool_], spacing: NDArray[np.float64]) -> tuple[float, float]:
    """Measure the diameters of a lesion on one slice.

    Distances are measured between points of its outline. The steps between pixels are smoothed
    before, as otherwise the largest distance is one between two corners of pixels, about a
    millimetre too long. A lesion that is too thin for an outline is measured between pixel centres,
    plus the width of one pixel.

    Args:
        part: mask (x, y) with at least one pixel.
        spacing: side lengths (2,) of a pixel in mm.

    Returns:
        Largest diameter, and the longest chord at right angles to it, in mm.

    Example:
        >>> diameters(np.ones((3, 1), bool), np.array([1.0, 1.0]))
        (3.0, 1.0)
    """
    width = float(spacing.mean())
    points = _outline(part) * spacing
    added = 0.0
    if not len(points):
        points = np.argwhere(part) * spacing
        added = width
    corners = _corners(points)
    distances = cdist(corners, corners)
    i, j = np.unravel_index(int(distances.argmax()), distances.shape)
    longest = float(distances[i, j])
    if longest == 0:
        return width, width
    along = (corners[j] - corners[i]) / longest
    across = np.array([-along[1], along[0]])
    row = np.round(points @ along / width)
    position = points @ across
    chords = [np.ptp(position[row == r]) for r in np.unique(row)]
    return longest + added, float(max(chords)) + added


def _outline(part: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return points (n, 2) of the smoothed outline in pixels; none if it is too thin."""
    if not binary_opening(part, np.ones((2, 2))).any():
        return np.empty((0, 2))
    margin = 3
    image = gaussian_filter(np.pad(part.astype(float), margin), _SMOOTHING)
    lines = contourpy.contour_generator(z=image.T).lines(0.5)
    share = np.linspace(0, 1, _POINTS, endpoint=False)[:, None, None]
    dense = [line[:-1] + share * np.diff(line, axis=0) for line in lines]
    return np.concatenate([np.empty((0, 2)), *(d.reshape(-1, 2) for d in dense)]) - margin


def _corners(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners (n, 2) of the convex hull of points."""
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        return points
