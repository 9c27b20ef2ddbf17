"""Fills parallel contours: holes, overlaps, and planes that were skipped."""

from dataclasses import dataclass

import numpy as np
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

_PIXELS = 400
"""Pixels along the longer side of a region; a pixel has at least 0.2 and at most 1 mm."""
_SAME_PLANE_MM = 0.2
"""Contours nearer than this, in mm, lie in one plane."""
_INSIDE = 0.98
"""Share of a contour's area inside another one from which it counts as enclosed by it."""
_LARGEST_GAP_MM = 12.0
"""Largest distance of neighbouring planes in mm between which a region is interpolated."""
_FINE_MM = 1.0
"""Distance of the planes of the mask in mm where those of the contours are uneven."""
_UNEVEN = 0.1
"""Deviation from a whole number of steps from which planes count as uneven."""

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contour:
    """Closed contour in a plane.

    Args:
        points: corners (n, 2) in the plane in mm.
        height: position of the plane along the normal in mm.
        exclusive: whether an area that it shares with others is no part of the region
            (CLOSEDPLANAR_XOR).
    """

    points: Points
    height: float
    exclusive: bool = False


@dataclass(frozen=True, eq=False)
class Stack:
    """Filled region.

    Args:
        voxels: mask (x, y, plane), 0 and 1.
        pixel: side length of a pixel in mm.
        step: distance of the planes in mm.
        origin: centre (3,) of the first voxel, in the plane and along the normal, in mm.
    """

    voxels: NDArray[np.uint8]
    pixel: float
    step: float
    origin: NDArray[np.float64]


def area(points: Points) -> float:
    """Compute the area that a flat contour encloses.

    Args:
        points: corners (n, 3) in mm.

    Returns:
        Area in mm²; 0 for fewer than three points, or for points on a line.

    Example:
        >>> area(np.array([[0.0, 0, 0], [2, 0, 0], [2, 3, 0], [0, 3, 0]]))
        6.0
    """
    if len(points) < 3:
        return 0.0
    corners = points - points[0]
    return float(np.linalg.norm(np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0)) / 2)


def filled(contours: list[Contour]) -> Stack | None:
    """Fill a region from its contours.

    Args:
        contours: contours of the region, at least one.

    Returns:
        The filled region; None if no two planes with contours are near each other.
    """
    levels = _levels(contours)
    if not (np.diff(levels) <= _LARGEST_GAP_MM).any():
        return None
    corners = np.vstack([c.points for c in contours])
    pixel = float(np.clip(np.ptp(corners, axis=0).max() / _PIXELS, 0.2, 1.0))
    low = corners.min(axis=0) - 0.5 * pixel
    shape = tuple((np.ceil((corners.max(axis=0) - low) / pixel) + 2).astype(int))
    planes = []
    for level in levels:
        here = [c for c in contours if abs(c.height - level) <= _SAME_PLANE_MM]
        planes.append(_plane(here, low, pixel, shape))
    heights, step = _heights(levels)
    voxels = np.stack([_at(height, levels, planes, step) for height in heights], axis=-1)
    return Stack(voxels.astype(np.uint8), pixel, step, np.array([*low, heights[0]]))


def _levels(contours: list[Contour]) -> NDArray[np.float64]:
    """Return the height of each plane that has contours, in rising order."""
    heights = np.sort([c.height for c in contours])
    first = np.r_[True, np.diff(heights) > _SAME_PLANE_MM]
    return np.asarray(heights[first])


def _heights(levels: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the heights of the planes of the mask, and their distance."""
    gaps = np.diff(levels)
    near = gaps[gaps <= _LARGEST_GAP_MM]
    step = float(near.min())
    if np.abs(gaps / step - np.rint(gaps / step)).max() <= _UNEVEN:
        count = round(float(levels[-1] - levels[0]) / step)
        step = float(levels[-1] - levels[0]) / count
        return levels[0] + step * np.arange(count + 1), step
    step = min(step, _FINE_MM)
    thickness = float(np.median(near))
    first, last = (g if g <= _LARGEST_GAP_MM else thickness for g in (gaps[0], gaps[-1]))
    low, high = levels[0] - first / 2, levels[-1] + last / 2
    return np.arange(low + step / 2, high, step), step


def _at(height: float, levels: NDArray[np.float64], planes: list[Mask], step: float) -> Mask:
    """Return the mask at a height: of the contour there, interpolated, or of the nearest one."""
    above = int(np.searchsorted(levels, height))
    pair = [i for i in (above - 1, above) if 0 <= i < len(levels)]
    nearest = min(pair, key=lambda i: abs(levels[i] - height))
    if abs(levels[nearest] - height) <= _UNEVEN * step:
        return planes[nearest]
    if len(pair) == 2:
        gap = float(levels[above] - levels[above - 1])
        if gap <= _LARGEST_GAP_MM:
            share = (height - float(levels[above - 1])) / gap
            return _between(planes[above - 1], planes[above], share)
    gaps = np.diff(levels)
    thickness = float(np.median(gaps[gaps <= _LARGEST_GAP_MM]))  # of a plane without neighbours
    beside = gaps[max(0, nearest - 1) : nearest + 1]
    own = float(beside.min()) if beside.min() <= _LARGEST_GAP_MM else thickness
    inside = abs(levels[nearest] - height) <= own / 2 + 1e-6
    return planes[nearest] if inside else np.zeros_like(planes[nearest])


def _between(low: Mask, high: Mask, share: float) -> Mask:
    """Interpolate two masks by their signed distances (Raya and Udupa 1990)."""
    distances = [distance_transform_edt(m) - distance_transform_edt(~m) for m in (low, high)]
    return np.asarray((1 - share) * distances[0] + share * distances[1] > 0)


def _plane(contours: list[Contour], low: Points, pixel: float, shape: tuple[int, ...]) -> Mask:
    """Fill the contours of one plane: the outermost add, those inside them cut, and so on."""
    masks = [(_inside((c.points - low) / pixel, shape), c.exclusive) for c in contours]
    masks.sort(key=lambda item: -int(item[0].sum()))
    total = np.zeros(shape, bool)
    outer: list[Mask] = []
    for mask, exclusive in masks:
        size = max(int(mask.sum()), 1)
        shares = [float((mask & other).sum()) / size for other in outer]
        copies = any(
            share >= _INSIDE and size >= _INSIDE * int(other.sum())
            for share, other in zip(shares, outer, strict=True)
        )
        depth = sum(share >= _INSIDE for share in shares)
        if exclusive:
            total ^= mask
        elif depth % 2 and not copies:
            total &= ~mask
        else:
            total |= mask
        if not copies:
            outer.append(mask)
    return total


def _inside(points: Points, shape: tuple[int, ...]) -> Mask:
    """Return a mask of one closed contour, in pixels, filled by the even-odd rule."""
    low = np.floor(points.min(axis=0)).astype(int).clip(0)
    high = np.ceil(points.max(axis=0)).astype(int) + 1
    grid = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1)
    mask = np.zeros(shape, bool)
    inner = Polygon(points, closed=False).contains_points(grid.reshape(-1, 2))
    mask[low[0] : high[0], low[1] : high[1]] = inner.reshape(grid.shape[:2])[
        : shape[0] - low[0], : shape[1] - low[1]
    ]
    return mask
