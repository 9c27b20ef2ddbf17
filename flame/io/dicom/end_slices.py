"""Detects missing end slices by comparison with other series of the examination."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.io.dicom.geometry import LPS_TO_RAS, Geometry
from flame.io.dicom.series_report import SeriesReport, joined

_MAX_MISSING = 3
"""Largest number of slices at one end that counts as a gap; more mean another coverage."""


def note_end_slices(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Add a note to each accepted series that is shorter at one end than a similar series.

    Two series are compared if they share study, frame of reference, direction, slice step, slice
    positions and one end.

    Args:
        reports: all series of a folder.

    Returns:
        The reports in the same order. A short series has a note.
    """
    taken = [r for r in reports if r.taken]
    return [_with_note(r, [o for o in taken if o is not r]) for r in reports]


def _with_note(report: SeriesReport, others: list[SeriesReport]) -> SeriesReport:
    if not report.taken:
        return report
    missing = max((_missing_slices(report, other) for other in others), default=0)
    if not missing:
        return report
    note = (
        f"{report.verdict.sequence} has {missing} end slices fewer than another series in the same "
        "frame of reference; check that the export is complete"
    )
    return replace(report, note=joined(report.note, note))


def _missing_slices(report: SeriesReport, other: SeriesReport) -> int:
    """Return how many slices ``report`` lacks at one end compared with ``other``, or 0."""
    geometry = report.geometry
    reference = other.geometry
    if geometry is None or reference is None or _study_and_frame(report) != _study_and_frame(other):
        return 0
    step, (first, last) = _ends(geometry, geometry)
    reference_step, (reference_first, reference_last) = _ends(reference, geometry)
    if abs(step - reference_step) > 0.01 * step or reference_first > reference_last:
        return 0
    gaps = np.array([(first - reference_first) / step, (reference_last - last) / step])
    same_positions = np.abs(gaps - np.rint(gaps)).max() < 0.05
    at_one_end = np.rint(gaps).min() == 0 and 1 <= np.rint(gaps).max() <= _MAX_MISSING
    return int(np.rint(gaps).max()) if same_positions and at_one_end else 0


def _study_and_frame(report: SeriesReport) -> tuple[str, ...]:
    header = report.series.header
    return tuple(str(header.get(k, "")) for k in ("StudyInstanceUID", "FrameOfReferenceUID"))


def _ends(geometry: Geometry, along: Geometry) -> tuple[float, NDArray[np.float64]]:
    """Return the step and the positions of first and last slice along a normal, in mm.

    The normal is that of ``along``. A stack in another direction gets a step of 0.
    """
    normal = (LPS_TO_RAS @ along.affine)[:3, 2]
    normal = normal / np.linalg.norm(normal)
    affine = LPS_TO_RAS @ geometry.affine
    step = float(affine[:3, 2] @ normal)
    straight = abs(step - np.linalg.norm(affine[:3, 2])) < 1e-3
    first = float(affine[:3, 3] @ normal)
    ends = np.array([first, first + step * (geometry.shape[2] - 1)])
    return (step if straight else 0.0), ends
