"""Separates two examinations of one day, such as before and after an operation."""

from collections import defaultdict
from dataclasses import replace

from flame.core.imaging import Sequence
from flame.io.dicom.series_report import SeriesReport


def by_examination(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Number the examinations of each patient and day from 0, in order of their first acquisition.

    Archives sometimes split one examination into several DICOM studies. The studies of a day
    therefore count as separate examinations only if at least two of them have a T1 or T1C.

    Args:
        reports: all series of a folder.

    Returns:
        The reports in the same order, each with its examination number.
    """
    days: dict[object, dict[str, list[SeriesReport]]] = defaultdict(lambda: defaultdict(list))
    for report in reports:
        if report.taken:
            days[report.patient_id, report.day][_study(report)].append(report)
    numbers: dict[str, int] = {}
    for studies in days.values():
        if sum(map(_has_t1, studies.values())) > 1:
            ordered = sorted(studies, key=lambda uid: (min(r.time for r in studies[uid]), uid))
            numbers.update({uid: n for n, uid in enumerate(ordered)})
    return [replace(r, examination=numbers.get(_study(r), 0)) for r in reports]


def _has_t1(reports: list[SeriesReport]) -> bool:
    return any(r.verdict.sequence in (Sequence.T1, Sequence.T1C) for r in reports)


def _study(report: SeriesReport) -> str:
    return str(report.series.header.get("StudyInstanceUID", ""))
