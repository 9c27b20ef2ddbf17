"""Two examinations on one day, such as before and after an operation, stay apart."""

from collections import defaultdict
from dataclasses import replace

from flame.core.imaging import Sequence
from flame.io.dicom.series_report import SeriesReport


def by_examination(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Number the examinations of a patient's day from 0, in order of their first acquisition.

    A DICOM study counts as an examination where it holds a T1 or T1C of its own. Archives also
    split one examination over several studies: where no more than one has a T1 or T1C, all of
    that day belong together.
    """
    days: dict[object, dict[str, list[SeriesReport]]] = defaultdict(lambda: defaultdict(list))
    for report in reports:
        if report.taken:
            days[report.patient_id, report.day][_study(report)].append(report)
    number: dict[str, int] = {}
    for studies in days.values():
        if sum(map(_stands_alone, studies.values())) > 1:
            ordered = sorted(studies, key=lambda uid: (min(r.time for r in studies[uid]), uid))
            number.update({uid: n for n, uid in enumerate(ordered)})
    return [replace(r, examination=number.get(_study(r), 0)) for r in reports]


def _stands_alone(reports: list[SeriesReport]) -> bool:
    return any(r.verdict.sequence in (Sequence.T1, Sequence.T1C) for r in reports)


def _study(report: SeriesReport) -> str:
    return str(report.series.header.get("StudyInstanceUID", ""))
