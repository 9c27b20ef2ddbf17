"""Checks the geometry of a series before any pixel is read.

Common readers accept broken stacks. With two missing slices they return a stretched volume, and for
a sheared stack an orthogonal affine. Here a series is one regular stack, or it is refused.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flame.io.dicom.instances import Instance, numbers, words
from flame.io.dicom.series import Series
from flame.io.dicom.stacks import STEP_SPREAD

IN_PLANE_DRIFT = 0.1
"""Largest accepted sideways shift of a slice origin from the stack's normal, in mm per slice."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Changes the axes of points from DICOM (left, posterior, superior) to RAS+, and back."""
_HEAD = 100.0
"""Stacks shorter than this along their normal, in mm, do not cover a brain."""
_LENGTHS = {
    "ImageOrientationPatient": 6,
    "ImagePositionPatient": 3,
    "PixelSpacing": 2,
    "Rows": 1,
    "Columns": 1,
}
"""Required attributes, and how many numbers each must have."""
_PLAUSIBLE = {
    "ImageOrientationPatient": (-1.01, 1.01),
    "ImagePositionPatient": (-1e5, 1e5),
    "PixelSpacing": (0.01, 100.0),
    "Rows": (2.0, 2.0**16),
    "Columns": (2.0, 2.0**16),
}
"""Smallest and largest number of each, in mm for positions and spacings."""
_OF_INTENSITIES = (
    *("RescaleSlope", "RescaleIntercept", "PixelPaddingValue", "PixelRepresentation"),
    *("BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel", "PhotometricInterpretation"),
)
"""Attributes that decide how stored values become intensities."""
_EXPORT_AGAIN = "export the series again, whole and into an empty folder"


@dataclass(frozen=True)
class Slice:
    """The file of one slice, and the map from stored values to intensities.

    The intensity is stored value * slope + intercept.

    Args:
        path: DICOM file.
        frame: frame index in a multi-frame file, from 0; None in a classic file.
        slope: RescaleSlope (0028,1053); 1 if it is absent or 0.
        intercept: RescaleIntercept (0028,1052); 0 if it is absent.
    """

    path: Path
    frame: int | None
    slope: float
    intercept: float


@dataclass(frozen=True, eq=False)
class Geometry:
    """A regular stack of slices. Voxel axes are (column, row, slice).

    Args:
        slices: slices in order along the normal.
        affine: (4, 4) map from voxel indices to RAS+ world space in mm.
        shape: number of columns, rows and slices.
    """

    slices: tuple[Slice, ...]
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along column index, row index and slice."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


def check_geometry(series: Series) -> Geometry | str:
    """Check that a series is one regular stack of MR slices.

    A regular stack has complete headers, orthonormal directions, equal pixel spacing, even slice
    steps (``STEP_SPREAD``), no shear (``IN_PLANE_DRIFT``) and the declared number of images.

    Args:
        series: the series.

    Returns:
        The geometry, or the reason why the series is refused, with the remedy.
    """
    header = series.header
    if series.defect:
        return series.defect
    if any(i.frame is None and _count(i, "NumberOfFrames") > 1 for i in series.instances):
        return (
            "multi-frame without functional groups: the frames have no ImagePositionPatient "
            "(0020,0032); export the series as classic or enhanced MR"
        )
    if any(i.header.get("BurnedInAnnotation") == "YES" for i in series.instances):
        return (
            "BurnedInAnnotation (0028,0301) is YES: the pixels may show the patient's name; export "
            "the series without annotations"
        )
    if "MOSAIC" in (header.get("ImageType") or ()):
        return (
            "ImageType (0008,0008) contains MOSAIC: slices are tiled in one image; export the "
            "series as single slices"
        )
    if str(header.get("PhotometricInterpretation", "MONOCHROME2")) != "MONOCHROME2":
        return (
            "PhotometricInterpretation (0028,0004) is not MONOCHROME2: the pixels are no MR "
            "intensities; export the original series"
        )
    patients = {str(i.header.get("PatientID", "")) for i in series.instances}
    if len(patients) > 1:
        return (
            f"the instances have {len(patients)} different PatientIDs (0010,0020); export each "
            "patient again, with a SeriesInstanceUID (0020,000E) of its own"
        )
    for keyword, length in _LENGTHS.items():
        values = [numbers(i.header, keyword) for i in series.instances]
        if any(len(v) != length or not np.isfinite(v).all() for v in values):
            missing = any(i.header.get(keyword) in (None, "") for i in series.instances)
            return f"{keyword} is {'missing' if missing else 'malformed'}; {_EXPORT_AGAIN}"
        low, high = _PLAUSIBLE[keyword]
        if not all(low <= number <= high for v in values for number in v):
            return f"{keyword} is not between {low:g} and {high:g}; {_EXPORT_AGAIN}"
    return _odd_slice(series) or _check_stack(series)


def _odd_slice(series: Series) -> str:
    """Return a defect if a value that changes the intensities differs in a single slice.

    Scanners scale all slices alike, or each slice by itself; one odd slice is a damaged header.
    """
    for keyword in _OF_INTENSITIES:
        counts = Counter(str(i.header.get(keyword, "")) for i in series.instances)
        if len(counts) == 2 and min(counts.values()) == 1 < len(series.instances) - 1:
            return f"{keyword} of one slice differs from that of all others; {_EXPORT_AGAIN}"
    return ""


def _is_cut(series: Series, declared: int, extent: float) -> bool:
    """Return whether end slices are missing.

    The declared number is a hint, not a proof: reformats keep that of their source, and it may
    count echoes, time points or calibrations as well.
    """
    count = len(series.instances)
    original = "ORIGINAL" in words(series.header, "ImageType") and not series.part
    return original and declared > count and declared % count != 0 and extent < _HEAD


def _count(instance: Instance, keyword: str) -> int:
    value = numbers(instance.header, keyword)
    return int(value[0]) if value else 0


def _check_stack(series: Series) -> Geometry | str:
    row, column = np.asarray(series.header.ImageOrientationPatient, float).reshape(2, 3)
    if abs(row @ column) > 1e-3 or not np.allclose([row @ row, column @ column], 1, atol=1e-3):
        return (
            "row and column directions in ImageOrientationPatient (0020,0037) are not orthonormal; "
            "export the original series"
        )
    spacings = np.array([i.header.PixelSpacing for i in series.instances], float)
    if not np.allclose(spacings, spacings[0], rtol=1e-4):
        return f"PixelSpacing (0028,0030) differs between instances; {_EXPORT_AGAIN}"
    positions = np.array([i.header.ImagePositionPatient for i in series.instances], float)
    normal = np.cross(row, column)
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    if len(positions) < 2:
        return f"a single slice is no volume; {_EXPORT_AGAIN}"
    steps = np.diff(positions @ normal)
    if (steps < 1e-3).any():
        return f"{int((steps < 1e-3).sum())} slice positions occur twice; {_EXPORT_AGAIN}"
    median = float(np.median(steps))
    uneven = np.abs(steps / median - 1) > STEP_SPREAD
    if uneven.any():
        missing = int(np.round(steps[uneven] / median - 1).clip(min=0).sum())
        defect = f"{missing} slices are missing" if missing else "slice steps are uneven"
        return f"{defect}: steps from {steps.min():.2f} to {steps.max():.2f} mm; {_EXPORT_AGAIN}"
    drift = np.diff(positions, axis=0) - np.outer(steps, normal)
    if np.linalg.norm(drift, axis=1).max() > IN_PLANE_DRIFT:
        return (
            "the stack is sheared: slice origins drift sideways (gantry tilt, or wrong "
            "ImagePositionPatient (0020,0032)); use another series of the day"
        )
    declared = max(_count(i, "ImagesInAcquisition") for i in series.instances)
    extent = float(positions[-1] @ normal - positions[0] @ normal) + median
    if _is_cut(series, declared, extent):
        return (
            f"slices are missing: ImagesInAcquisition (0020,1002) declares {declared} images, the "
            f"series has {len(positions)}, which cover {extent:.0f} mm; {_EXPORT_AGAIN}"
        )
    return _geometry(series, order, positions, row, column, spacings[0])


def _geometry(
    series: Series,
    order: NDArray[np.intp],
    positions: NDArray[np.float64],
    row: NDArray[np.float64],
    column: NDArray[np.float64],
    spacing: NDArray[np.float64],
) -> Geometry:
    lps = np.eye(4)
    lps[:3, 0] = row * spacing[1]
    lps[:3, 1] = column * spacing[0]
    lps[:3, 2] = (positions[-1] - positions[0]) / (len(positions) - 1)
    lps[:3, 3] = positions[0]
    slices = tuple(_slice(series.instances[i]) for i in order)
    shape = (int(series.header.Columns), int(series.header.Rows), len(slices))
    return Geometry(slices, LPS_TO_RAS @ lps, shape)


def _slice(instance: Instance) -> Slice:
    slope = numbers(instance.header, "RescaleSlope")
    intercept = numbers(instance.header, "RescaleIntercept")
    return Slice(
        instance.path,
        instance.frame,
        (slope[0] if slope else 1.0) or 1.0,
        intercept[0] if intercept else 0.0,
    )
