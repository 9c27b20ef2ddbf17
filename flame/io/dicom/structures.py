"""Reads the regions of RT Structure Sets as masks.

A region is filled on its own grid, which follows its contour planes. Contours that were drawn on an
oblique or differently spaced image therefore keep their position. Other modules resample the mask.
"""

from pathlib import Path

import numpy as np
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from flame.core.errors import UnreadableImage
from flame.core.imaging import LabelMap
from flame.io.dicom.instances import read_dataset

_PIXELS = 400
"""Pixels along the longer side of a region; a pixel has at least 0.2 and at most 1 mm."""
_FLAT_MM = 0.1
"""Largest accepted distance of a contour point from its plane, in mm."""
_LPS = np.array([-1.0, -1.0, 1.0])
"""Changes the axes of points from LPS+ to RAS+."""

Points = NDArray[np.float64]
"""(n, 3) points in RAS+ mm."""


def regions(header: Dataset) -> list[tuple[int, str]]:
    """List the regions of a structure set.

    Args:
        header: header of the RT Structure Set.

    Returns:
        ROINumber (3006,0022), -1 if it is missing, and ROIName (3006,0026) of each region.
    """
    items = header.get("StructureSetROISequence") or []
    return [(int(r.get("ROINumber", -1)), str(r.get("ROIName", ""))) for r in items]


def read_region(path: Path, number: int, frame_of_reference: str) -> LabelMap:
    """Read a region of a structure set as a mask. Contours inside other contours are holes.

    Args:
        path: RT Structure Set file.
        number: ROINumber (3006,0022) of the region.
        frame_of_reference: FrameOfReferenceUID (0020,0052) of the images.

    Returns:
        Binary mask on the region's own grid, slices last, with an RAS+ affine in mm.

    Raises:
        UnreadableImage: the region is missing, empty or in another frame of reference, or its
            contours are open, not flat, not parallel or not evenly spaced.
    """
    header = read_dataset(path, pixels=False)
    frames = [
        str(r.get("ReferencedFrameOfReferenceUID", ""))
        for r in header.get("StructureSetROISequence") or []
        if r.get("ROINumber") == number
    ]
    if not frames:
        raise UnreadableImage(path, f"the structure set has no region with ROINumber {number}")
    if set(frames) != {frame_of_reference}:
        raise UnreadableImage(path, "its frame of reference is not that of the images")
    contours = [
        _points(path, contour)
        for item in header.get("ROIContourSequence") or []
        if item.get("ReferencedROINumber") == number
        for contour in item.get("ContourSequence") or []
        if contour.get("ContourGeometricType") != "POINT"
    ]
    if not contours:
        raise UnreadableImage(path, "the region has no contour")
    # Even-odd filling would turn the area of an exact copy into a hole.
    unique = {contour.tobytes(): contour for contour in contours}
    return _filled(path, list(unique.values()))


def _points(path: Path, contour: Dataset) -> Points:
    kind = str(contour.get("ContourGeometricType"))
    if not kind.startswith(("CLOSED_PLANAR", "CLOSEDPLANAR")):
        raise UnreadableImage(
            path, f"ContourGeometricType (3006,0042) is {kind}: the contours are not closed"
        )
    points = np.array(contour.get("ContourData") or [], float)
    if points.size < 9 or points.size % 3 or not np.isfinite(points).all():
        raise UnreadableImage(path, "a contour has fewer than three points")
    return np.asarray(points.reshape(-1, 3) * _LPS)


def _filled(path: Path, contours: list[Points]) -> LabelMap:
    normal = _normal(contours)
    basis = np.linalg.svd(normal[None])[2][1:]  # two directions in the plane
    if np.linalg.det([*basis, normal]) < 0:
        basis = basis[::-1]
    heights = []
    for points in contours:
        height = points @ normal
        if np.ptp(height) > 2 * _FLAT_MM:
            raise UnreadableImage(path, "its contours are not flat, or not parallel to each other")
        heights.append(float(height.mean()))
    planes, step = _planes(path, np.array(heights))
    flat = [points @ basis.T for points in contours]
    low = np.vstack(flat).min(axis=0)
    high = np.vstack(flat).max(axis=0)
    pixel = float(np.clip((high - low).max() / _PIXELS, 0.2, 1.0))
    low = low - 0.5 * pixel
    size = np.ceil((high - low) / pixel).astype(int)
    voxels = np.zeros((*(size + 2), int(planes.max()) + 1), bool)
    for points, plane in zip(flat, planes, strict=True):
        voxels[:, :, plane] ^= _inside((points - low) / pixel, voxels.shape[:2])
    affine = np.eye(4)
    affine[:3, 0] = basis[0] * pixel
    affine[:3, 1] = basis[1] * pixel
    affine[:3, 2] = normal * step
    affine[:3, 3] = low @ basis + normal * min(heights)
    return LabelMap(voxels.astype(np.uint8), affine)


def _normal(contours: list[Points]) -> Points:
    largest = max(contours, key=lambda p: float(np.ptp(p, axis=0).max()))
    return np.asarray(np.linalg.svd(largest - largest.mean(axis=0))[2][2])


def _planes(path: Path, heights: NDArray[np.float64]) -> tuple[NDArray[np.int_], float]:
    """Return the plane number of each contour, and the distance of the planes in mm."""
    levels = np.sort(heights)
    gaps = np.diff(levels)
    gaps = gaps[gaps > 2 * _FLAT_MM]
    if not len(gaps):
        raise UnreadableImage(path, "the region lies in one plane only and has no volume")
    step = float(gaps.min())
    if np.median(gaps) > 1.5 * step:
        raise UnreadableImage(path, "most of its planes have no contour; draw one on every slice")
    planes = (heights - levels[0]) / step
    if np.abs(planes - np.rint(planes)).max() > 0.1:
        raise UnreadableImage(path, "its contour planes are not evenly spaced")
    return np.rint(planes).astype(int), step


def _inside(points: Points, shape: tuple[int, ...]) -> NDArray[np.bool_]:
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
