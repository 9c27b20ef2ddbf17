"""Geometry of a series, checked before any pixel is read.

Readers accept broken stacks: with two slices missing they return a stretched volume, from a
sheared stack an orthogonal affine. Here a series is one regular stack or it is refused.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.io.headers import Instance, Series

STEP_SPREAD = 0.01
"""Largest relative deviation of a slice step from the median step."""
IN_PLANE_DRIFT = 0.1
"""Largest sideways shift of a slice origin from the stack's normal, in mm a slice."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


@dataclass(frozen=True, eq=False)
class Geometry:
    """A regular stack: instances in order along the normal; RAS+ affine in mm.

    Voxel axes are (column, row, slice).
    """

    instances: tuple[Instance, ...]
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along column index, row index and slice."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


def check_geometry(series: Series) -> Geometry | str:
    """Return the geometry of ``series``, or the reason why it is no trustworthy volume."""
    header = series.header
    if str(header.get("SOPClassUID")) == _ENHANCED_MR or int(header.get("NumberOfFrames") or 1) > 1:
        return "enhanced multi-frame MR is not read yet; export it as classic MR"
    if header.get("BurnedInAnnotation") == "YES":
        return "burned-in annotation: the pixels may show the patient's name"
    if "MOSAIC" in (header.get("ImageType") or ()):
        return "mosaic: slices are tiled in one image; export it as single slices"
    patients = {str(i.header.get("PatientID", "")) for i in series.instances}
    if len(patients) > 1:
        return "files of two patients share one series; sort the folder by patient"
    needed = ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "Rows", "Columns")
    for keyword in needed:
        if any(not i.header.get(keyword) for i in series.instances):
            return f"{keyword} is missing"
    return _check_stack(series)


def _check_stack(series: Series) -> Geometry | str:
    row, column = np.asarray(series.header.ImageOrientationPatient, float).reshape(2, 3)
    if abs(row @ column) > 1e-3 or not np.allclose([row @ row, column @ column], 1, atol=1e-3):
        return "row and column directions are not orthonormal"
    spacings = np.array([i.header.PixelSpacing for i in series.instances], float)
    if not np.allclose(spacings, spacings[0], rtol=1e-4):
        return "pixel spacing differs between slices"
    positions = np.array([i.header.ImagePositionPatient for i in series.instances], float)
    normal = np.cross(row, column)
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    if len(positions) < 2:
        return "a single slice is no volume"
    steps = np.diff(positions @ normal)
    if (steps < 1e-3).any():
        return f"{int((steps < 1e-3).sum())} slice positions occur twice"
    median = float(np.median(steps))
    uneven = np.abs(steps / median - 1) > STEP_SPREAD
    if uneven.any():
        missing = int(np.round(steps[uneven] / median - 1).clip(min=0).sum())
        what = f"{missing} slices are missing" if missing else "slice steps are uneven"
        return f"{what}: steps from {steps.min():.2f} to {steps.max():.2f} mm"
    drift = np.diff(positions, axis=0) - np.outer(steps, normal)
    if np.linalg.norm(drift, axis=1).max() > IN_PLANE_DRIFT:
        return "the stack is sheared: slice origins drift sideways (gantry tilt or wrong header)"
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
    instances = tuple(series.instances[i] for i in order)
    shape = (int(series.header.Columns), int(series.header.Rows), len(instances))
    return Geometry(instances, _LPS_TO_RAS @ lps, shape)
