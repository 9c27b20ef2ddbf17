"""Reads the grid of an RT Dose, and tells doses from what else such files hold."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from flame.core.errors import UnreadableImage
from flame.core.imaging import DoseMap
from flame.core.treatment import MOST_GY
from flame.io.dicom.geometry import LPS_TO_RAS
from flame.io.dicom.instances import numbers, read_dataset
from flame.io.dicom.stacks import STEP_SPREAD

_LET = re.compile(r"(?<![a-z])let[dt]?(?![a-z])", re.IGNORECASE)
"""LET, LETd and LETt as words; DICOM has no type for such grids, so that a label names them."""
_MOST_GY = 2 * MOST_GY
"""Largest dose, with hot spots."""
_FARTHEST_MM = 1e4
"""Largest coordinate or spacing of a grid."""


def is_let(header: Dataset) -> bool:
    """Check whether an RT Dose holds linear energy transfer (LET).

    Args:
        header: header of the file.

    Returns:
        True if one of its labels says so.
    """
    labels = ("DoseComment", "SeriesDescription", "RTDoseLabel", "ContentLabel")
    return any(_LET.search(str(header.get(label) or "")) for label in labels)


def no_dose(header: Dataset) -> str:
    """Say why an RT Dose holds no dose.

    Args:
        header: header of the file.

    Returns:
        The reason; empty if it holds a dose.
    """
    if header.get("DoseType") == "ERROR":
        return "DoseType (3004,0004) is ERROR: a difference of two doses, not a dose"
    return "a grid of linear energy transfer, not a dose" if is_let(header) else ""


def read_grid(path: Path, header: Dataset) -> DoseMap:
    """Read the values of an RT Dose, without a check of what they stand for but the unit.

    Args:
        path: the file.
        header: its header.

    Returns:
        Values (x, y, z) in Gy, or in keV/um for a LET grid, with an RAS+ affine in mm.

    Raises:
        UnreadableImage: the unit of a dose is not Gy, or scaling, geometry or pixels are invalid.
    """
    if header.get("DoseUnits") != "GY" and not is_let(header):
        raise UnreadableImage(path, "the dose is not in Gy (DoseUnits, 3004,0002)")
    scaling = numbers(header, "DoseGridScaling")
    if not scaling or not scaling[0] > 0:
        raise UnreadableImage(path, "no dose grid scaling above 0 (DoseGridScaling, 3004,000E)")
    try:
        stored = read_dataset(path).pixel_array
    except Exception as error:
        reason = f"the dose cannot be decoded ({type(error).__name__})"
        raise UnreadableImage(path, reason) from error
    affine, order = _grid(path, header)
    planes = stored if stored.ndim == 3 else stored[None]
    if len(planes) != len(order):
        raise UnreadableImage(
            path,
            "the offsets in GridFrameOffsetVector do not fit the number of frames",
        )
    values = planes[order].T * scaling[0]
    most = np.finfo(np.float32).max if is_let(header) else _MOST_GY
    if not -0.01 * values.max() <= values.min() <= values.max() <= most:
        raise UnreadableImage(
            path, f"values of {values.min():g} to {values.max():g} are no dose in Gy; export again"
        )
    return DoseMap(values.clip(0).astype(np.float32), affine, biological=False)


def _grid(path: Path, header: Dataset) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the RAS+ affine of a dose grid, and the order of its frames along the slice axis."""
    cosines = np.array(numbers(header, "ImageOrientationPatient"))
    origin = np.array(numbers(header, "ImagePositionPatient"))
    spacing = np.array(numbers(header, "PixelSpacing"))
    offsets = np.array(numbers(header, "GridFrameOffsetVector"))
    if len(cosines) != 6 or len(origin) != 3 or len(spacing) != 2 or len(offsets) < 2:
        raise UnreadableImage(
            path,
            "the position, orientation, pixel spacing or frame offsets are missing "
            "(ImagePositionPatient, ImageOrientationPatient, PixelSpacing, GridFrameOffsetVector)",
        )
    row, column = cosines.reshape(2, 3)
    axes = np.array([[row @ row, row @ column], [column @ row, column @ column]])
    places = np.concatenate([origin, offsets])
    if not np.allclose(axes, np.eye(2), atol=1e-3) or not (spacing > 0).all():
        raise UnreadableImage(path, "its directions or its pixel spacing are damaged")
    if not (np.abs(places) < _FARTHEST_MM).all() or spacing.max() > _FARTHEST_MM:
        raise UnreadableImage(path, "its position or spacing is farther than a room is wide")
    normal = np.cross(row, column)
    if abs(offsets[0]) > 1e-6:  # absolute: z of the planes of an axial dose (PS3.3 C.8.8.3.2)
        if abs(offsets[0] - origin[2]) > 0.01 or abs(abs(normal[2]) - 1) > 1e-4:
            raise UnreadableImage(
                path,
                "the offsets in GridFrameOffsetVector are neither relative nor absolute",
            )
        offsets = (offsets - origin[2]) * normal[2]
    order = np.argsort(offsets, kind="stable")
    steps = np.diff(offsets[order])
    if (steps <= 0).any() or np.ptp(steps) > STEP_SPREAD * np.median(steps):
        raise UnreadableImage(path, "the planes of the dose are not evenly spaced")
    lps = np.eye(4)
    lps[:3, 0] = row * spacing[1]
    lps[:3, 1] = column * spacing[0]
    lps[:3, 2] = normal * steps.mean()
    lps[:3, 3] = origin + normal * offsets[order[0]]
    return LPS_TO_RAS @ lps, order
