"""Corrects T1 and T1C by the order of acquisition.

Some scanners write ContrastBolusAgent (0018,0010) into every series of an examination, also into
those acquired before the injection. A series that is T1C by this attribute alone is compared with
the series of its study whose SeriesDescription or ProtocolName names contrast.
"""

from collections import defaultdict
from dataclasses import replace

from flame.core.imaging import Sequence
from flame.io.dicom.sequences import AGENT_ONLY, Verdict
from flame.io.dicom.series_report import SeriesReport, joined


def by_contrast_order(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Correct T1 and T1C by the time of the first series whose description names contrast.

    A T1C by ContrastBolusAgent alone becomes T1 if it was acquired before that series. A T1 whose
    description does not mention contrast becomes T1C if it was acquired after that series. Series
    are compared only within one study and day.

    Args:
        reports: all series of a folder.

    Returns:
        The reports in the same order. A corrected report has a note.
    """
    contrast_time: dict[tuple[str, object], float] = defaultdict(lambda: float("inf"))
    for report in reports:
        is_t1c = report.taken and report.verdict.sequence is Sequence.T1C
        if is_t1c and report.verdict.rule != AGENT_ONLY:
            study = _study(report)
            contrast_time[study] = min(contrast_time[study], report.time)
    return [_corrected(r, contrast_time[_study(r)]) if r.taken else r for r in reports]


def _corrected(report: SeriesReport, contrast_time: float) -> SeriesReport:
    verdict = report.verdict
    time = report.time
    if verdict.rule == AGENT_ONLY and time < contrast_time < float("inf"):
        evidence = f"{verdict.evidence}, yet acquired before the first series named with contrast"
        verdict = Verdict(Sequence.T1, "T1: stale contrast tag", evidence, 0.7)
        note = (
            "T1C by ContrastBolusAgent (0018,0010), taken as T1: acquired before the first series "
            "named with contrast; if this is wrong, name it with --sequences"
        )
        return replace(report, verdict=verdict, note=joined(report.note, note))
    unmentioned = verdict.sequence is Sequence.T1 and verdict.rule.startswith("T1: short")
    if unmentioned and contrast_time < time < float("inf"):
        evidence = f"{verdict.evidence}; acquired after a series with contrast"
        verdict = Verdict(Sequence.T1C, "T1C: after contrast", evidence, 0.7)
        note = (
            "T1 taken as T1C: acquired after a series with contrast; if this is wrong, name it "
            "with --sequences"
        )
        return replace(report, verdict=verdict, note=joined(report.note, note))
    return report


def _study(report: SeriesReport) -> tuple[str, object]:
    return str(report.series.header.get("StudyInstanceUID", "")), report.day
