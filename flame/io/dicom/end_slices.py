"""Detects missing end slices by comparison with other series of the examination."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flame.io.dicom.geometry import LPS_TO_RAS, Geometry
from flame.io.dicom.series_report import SeriesReport, joined

_MOST = 3
"""Largest number of slices at one end that counts as a gap; more are another coverage."""


def note_end_slices(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Add a note to each accepted series that is shorter at one end than a similar series.

    Two series are compared where they share study, frame of reference, direction, slice step, slice
    positions and one end.

    Args:
        reports: all series of a folder.

    Returns:
        The reports in the same order.
    """
    taken = [r for r in reports if r.taken]
    return [_held_against(r, [o for o in taken if o is not r]) for r in reports]


def _held_against(report: SeriesReport, others: list[SeriesReport]) -> SeriesReport:
    if not report.taken:
        return report
    short = max((_short_of(report, other) for other in others), default=0)
    if not short:
        return report
    note = f"{short} end slices fewer than another series on the same positions: is it whole?"
    return replace(report, note=joined(report.note, note))


def _short_of(report: SeriesReport, other: SeriesReport) -> int:
    """Return how many slices ``report`` lacks at one end compared with ``other``, or 0."""
    own, its = report.geometry, other.geometry
    if own is None or its is None or _planned_as(report) != _planned_as(other):
        return 0
    step, (first, last) = _ends(own, own)
    its_step, (its_first, its_last) = _ends(its, own)
    if abs(step - its_step) > 0.01 * step or its_first > its_last:
        return 0
    low, high = (first - its_first) / step, (its_last - last) / step
    gaps = np.array([low, high])
    whole = np.abs(gaps - np.rint(gaps)).max() < 0.05
    at_one_end = np.rint(gaps).min() == 0 and 1 <= np.rint(gaps).max() <= _MOST
    return int(np.rint(gaps).max()) if whole and at_one_end else 0


def _planned_as(report: SeriesReport) -> tuple[str, ...]:
    header = report.series.header
    return tuple(str(header.get(k, "")) for k in ("StudyInstanceUID", "FrameOfReferenceUID"))


def _ends(geometry: Geometry, along: Geometry) -> tuple[float, NDArray[np.float64]]:
    """Step and positions of first and last slice along the normal of ``along``, in mm.

    A stack in another direction gets a step of 0.
    """
    normal = (LPS_TO_RAS @ along.affine)[:3, 2]
    normal = normal / np.linalg.norm(normal)
    affine = LPS_TO_RAS @ geometry.affine
    step = float(affine[:3, 2] @ normal)
    straight = abs(step - np.linalg.norm(affine[:3, 2])) < 1e-3
    first = float(affine[:3, 3] @ normal)
    ends = np.array([first, first + step * (geometry.shape[2] - 1)])
    return (step if straight else 0.0), ends
