"""Corrects contrast tags by the order of acquisition.

Some scanners write ContrastBolusAgent (0018,0010) into every series of an examination, also into
those acquired before the injection. A series that is T1C by this tag alone is compared with the
series of its study whose description or protocol names contrast.
"""

from collections import defaultdict
from dataclasses import replace

from flame.core.imaging import Sequence
from flame.io.dicom.sequences import AGENT_ONLY, Verdict
from flame.io.dicom.series_report import SeriesReport, joined


def by_contrast_order(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Correct T1 and T1C by the time of the first series that is named with contrast.

    A T1C by its tag alone becomes T1 where it was acquired before that series. A T1 without any
    word on contrast becomes T1C where it was acquired after it. Series are compared within one
    study and day only.

    Args:
        reports: all series of a folder.

    Returns:
        The reports in the same order, corrected ones with a note.
    """
    given: dict[tuple[str, object], float] = defaultdict(lambda: float("inf"))
    for report in reports:
        named = report.taken and report.verdict.sequence is Sequence.T1C
        if named and report.verdict.rule != AGENT_ONLY:
            key = _study(report)
            given[key] = min(given[key], report.time)
    return [_reconsider(r, given[_study(r)]) if r.taken else r for r in reports]


def _reconsider(report: SeriesReport, given: float) -> SeriesReport:
    verdict, time = report.verdict, report.time
    if verdict.rule == AGENT_ONLY and time < given < float("inf"):
        found = f"{verdict.evidence}, yet acquired before the first series named with contrast"
        verdict = Verdict(Sequence.T1, "T1: stale contrast tag", found, 0.7)
        note = "a T1 whose contrast tag was taken as stale, by the order of acquisition"
        return replace(report, verdict=verdict, note=joined(report.note, note))
    silent = verdict.sequence is Sequence.T1 and verdict.rule.startswith("T1: short")
    if silent and given < time < float("inf"):
        found = f"{verdict.evidence}; acquired after a series with contrast"
        verdict = Verdict(Sequence.T1C, "T1C: after contrast", found, 0.7)
        note = "a T1 taken as T1C, as it was acquired after contrast"
        return replace(report, verdict=verdict, note=joined(report.note, note))
    return report


def _study(report: SeriesReport) -> tuple[str, object]:
    return str(report.series.header.get("StudyInstanceUID", "")), report.day
