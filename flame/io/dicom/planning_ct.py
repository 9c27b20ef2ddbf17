"""Finds the CT series of a patient, on which radiotherapy is planned, and reads them in HU."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from flame.io.dicom.dates import first_date, study_uid
from flame.io.dicom.geometry import Geometry, check_geometry
from flame.io.dicom.instances import Instance, numbers, words
from flame.io.dicom.pixels import read_voxels
from flame.io.dicom.series import Series
from flame.io.dicom.stacks import STEP_SPREAD

CT = "1.2.840.10008.5.1.4.1.1.2"
"""SOPClassUID of CT Image Storage."""
_AIR_HU = -1024.0
"""Lowest value in HU; scanners write lower ones outside their field of view."""
_NO_VOLUME = {"LOCALIZER", "SCOUT", "MIP"}
"""Values of ImageType (0008,0008) of images that are no volume of the patient."""
_HEAD_MM = 80.0
"""Shortest extent in mm of slices with equal steps that can show a head."""


@dataclass(frozen=True, eq=False)
class PlanningCt:
    """One CT series.

    Args:
        frame: FrameOfReferenceUID (0020,0052).
        series: SeriesInstanceUID (0020,000E).
        day: date of the series; None: unknown.
        geometry: checked geometry; None if the series is refused.
        refused: why it is refused; empty: it is used.
    """

    frame: str
    series: str
    day: date | None
    geometry: Geometry | None
    refused: str = ""


def is_ct(instance: Instance) -> bool:
    """Check whether an instance is a slice of a CT.

    Args:
        instance: the instance.

    Returns:
        True for CT Image Storage; enhanced CT is not read.
    """
    return str(instance.header.get("SOPClassUID")) == CT


def planning_cts(
    instances: list[Instance], named: Mapping[str, date] | None = None
) -> list[PlanningCt]:
    """Find the CT series among the instances of a patient.

    Where the step between slices changes, as from head to neck, the longest part with equal steps
    is used.

    Args:
        instances: instances of one patient; those of other modalities are ignored.
        named: day by StudyInstanceUID that a person named; None: those of the headers.

    Returns:
        One entry per series, accepted or refused, those with most slices first. Overviews and
        projections are left out.
    """
    groups: dict[tuple[str, str], list[Instance]] = defaultdict(list)
    for instance in instances:
        if is_ct(instance) and not words(instance.header, "ImageType") & _NO_VOLUME:
            key = (str(instance.header.get("SeriesInstanceUID")), _frame(instance))
            groups[key].append(instance)
    found = [_planning_ct(group, named or {}) for group in groups.values()]
    return sorted(found, key=lambda c: (-_slices(c), c.series))


def read_hounsfield(ct: Geometry) -> NDArray[np.float32]:
    """Read a CT in Hounsfield units.

    Args:
        ct: checked geometry of the series.

    Returns:
        Values (column, row, slice) in HU, at least -1024.

    Raises:
        UnreadableImage: pixels cannot be decoded, or do not fit the header.
    """
    return np.maximum(read_voxels(ct, "CT"), np.float32(_AIR_HU))


def _frame(instance: Instance) -> str:
    return str(instance.header.get("FrameOfReferenceUID") or "")


def _slices(ct: PlanningCt) -> int:
    return len(ct.geometry.slices) if ct.geometry else 0


def _planning_ct(instances: list[Instance], named: Mapping[str, date]) -> PlanningCt:
    unique = list({i.key: i for i in instances}.values())
    header = unique[0].header
    day = first_date(header, "AcquisitionDate", "SeriesDate", "StudyDate")
    day = named.get(study_uid(header), day)
    ct = PlanningCt(_frame(unique[0]), str(header.get("SeriesInstanceUID")), day, None)
    if len({str(i.header.get("RescaleType") or "HU").strip() for i in unique} - {"HU", "US"}):
        return replace(ct, refused="RescaleType (0028,1054) is not HU; export the original CT")
    checked = check_geometry(Series(tuple(unique)))
    if isinstance(checked, str):
        checked = check_geometry(Series(tuple(_longest_run(unique))))
    if isinstance(checked, str):
        return replace(ct, refused=checked)
    extent = checked.shape[2] * checked.spacing[2]
    if extent < _HEAD_MM:
        return replace(
            ct, refused=f"its slices with equal steps cover {extent:.0f} mm only; export the head"
        )
    return replace(ct, geometry=checked)


def _longest_run(instances: list[Instance]) -> list[Instance]:
    """Return the longest part of a stack whose slices have equal steps; all if none is placed."""
    normal = _normal(instances[0])
    placed = [i for i in instances if len(numbers(i.header, "ImagePositionPatient")) == 3]
    if len(placed) < 3 or normal is None:
        return instances
    heights = np.array([numbers(i.header, "ImagePositionPatient") for i in placed]) @ normal
    order = np.argsort(heights, kind="stable")
    steps = np.diff(heights[order])
    # A run ends where the step changes.
    changes = np.flatnonzero(np.abs(np.diff(steps)) > STEP_SPREAD * steps[:-1]) + 1
    bounds = [0, *changes.tolist(), len(steps)]
    low, high = max(zip(bounds, bounds[1:], strict=False), key=lambda b: steps[b[0] : b[1]].sum())
    return [placed[i] for i in order[low : high + 1]]


def _normal(instance: Instance) -> NDArray[np.float64] | None:
    cosines = np.array(numbers(instance.header, "ImageOrientationPatient"))
    return np.cross(cosines[:3], cosines[3:]) if cosines.size == 6 else None
