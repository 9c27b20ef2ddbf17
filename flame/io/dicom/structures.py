"""Reads the regions of RT Structure Sets as masks.

A region is filled on its own grid, which follows its contour planes. Contours that were drawn on an
oblique or differently spaced image therefore keep their position. Other modules resample the mask.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from flame.core.errors import UnreadableImage
from flame.core.imaging import LabelMap
from flame.io.dicom.contours import Contour, area, filled
from flame.io.dicom.instances import items, numbers, read_dataset, whole_number

_FLAT_MM = 0.1
"""Largest accepted distance of a contour point from its plane, in mm."""
_LEAST_AREA_MM2 = 1e-6
"""Area at or below which a contour is a point or a line, as many systems leave behind."""
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
    found = items(header, "StructureSetROISequence")
    return [(_number(r), str(r.get("ROIName") or "")) for r in found]


def _number(region: Dataset) -> int:
    value = whole_number(region, "ROINumber")
    return -1 if value is None else value


def read_region(path: Path, number: int, frame_of_reference: str) -> LabelMap:
    """Read a region of a structure set as a mask.

    Contours inside other contours are holes, contours that overlap are joined, and planes without
    a contour between two near ones are interpolated. Points, lines and single fragments that
    enclose no area are ignored.

    Args:
        path: RT Structure Set file.
        number: ROINumber (3006,0022) of the region.
        frame_of_reference: FrameOfReferenceUID (0020,0052) of the images.

    Returns:
        Binary mask on the region's own grid, slices last, with an RAS+ affine in mm.

    Raises:
        UnreadableImage: the region is missing, empty or in another frame of reference, or its
            contours are open, not flat or not parallel.
    """
    header = read_dataset(path, pixels=False)
    frames = [
        str(r.get("ReferencedFrameOfReferenceUID") or frame_of_reference)
        for r in items(header, "StructureSetROISequence")
        if r.get("ROINumber") == number
    ]
    if not frames:
        raise UnreadableImage(path, f"the structure set has no region with ROINumber {number}")
    if set(frames) != {frame_of_reference}:
        raise UnreadableImage(path, "its frame of reference is not that of the images")
    contours = [
        contour
        for item in items(header, "ROIContourSequence")
        if item.get("ReferencedROINumber") == number
        for contour in items(item, "ContourSequence")
        if contour.get("ContourGeometricType") != "POINT"
    ]
    drawn = [(_points(path, contour), _is_xor(contour)) for contour in contours]
    kept = [(points, xor) for points, xor in drawn if area(points) > _LEAST_AREA_MM2]
    if not kept:
        raise UnreadableImage(path, "the region has no contour that encloses an area")
    # A copy of a contour is no hole.
    unique = {points.tobytes(): (points, xor) for points, xor in kept}
    return _filled(path, list(unique.values()))


def _is_xor(contour: Dataset) -> bool:
    return str(contour.get("ContourGeometricType")).upper().endswith("XOR")


def _points(path: Path, contour: Dataset) -> Points:
    kind = str(contour.get("ContourGeometricType"))
    if not kind.startswith(("CLOSED_PLANAR", "CLOSEDPLANAR")):
        raise UnreadableImage(
            path, "ContourGeometricType (3006,0042) is not CLOSED_PLANAR: the contours are open"
        )
    points = np.array(numbers(contour, "ContourData"), float)
    if points.size % 3 or not points.size or not np.isfinite(points).all():
        raise UnreadableImage(path, "the numbers of a contour are no points (ContourData)")
    return np.asarray(points.reshape(-1, 3) * _LPS)


def _filled(path: Path, contours: list[tuple[Points, bool]]) -> LabelMap:
    """Return the mask of contours, each with whether it is an exclusive one."""
    normal = _normal([points for points, _ in contours])
    basis = np.linalg.svd(normal[None])[2][1:]  # two directions in the plane
    if np.linalg.det([*basis, normal]) < 0:
        basis = basis[::-1]
    flat = []
    for points, xor in contours:
        height = points @ normal
        if np.ptp(height) > 2 * _FLAT_MM:
            raise UnreadableImage(path, "its contours are not flat, or not parallel to each other")
        flat.append(Contour(points @ basis.T, float(height.mean()), xor))
    stack = filled(flat)
    if stack is None:
        raise UnreadableImage(
            path, "the region lies in one plane, or in planes far apart, and has no volume"
        )
    affine = np.eye(4)
    affine[:3, 0] = basis[0] * stack.pixel
    affine[:3, 1] = basis[1] * stack.pixel
    affine[:3, 2] = normal * stack.step
    affine[:3, 3] = stack.origin[:2] @ basis + normal * stack.origin[2]
    return LabelMap(stack.voxels, affine)


def _normal(contours: list[Points]) -> Points:
    largest = max(contours, key=lambda p: float(np.ptp(p, axis=0).max()))
    return np.asarray(np.linalg.svd(largest - largest.mean(axis=0))[2][2])
