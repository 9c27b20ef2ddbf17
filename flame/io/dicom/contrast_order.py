"""Stale contrast tags: what the order of acquisition says against ContrastBolusAgent.

Some scanners carry the agent in every series of an examination, also in those acquired before it
was given. A series that nothing but this tag calls T1C is held against the series of its study that
were named with contrast.
"""

from collections import defaultdict
from dataclasses import replace

from flame.core.imaging import Sequence
from flame.io.dicom.sequences import AGENT_ONLY, Verdict
from flame.io.dicom.series_report import SeriesReport, joined


def by_contrast_order(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Turn a T1C into T1 where it was acquired before the first T1C that is named so.

    A T1 that says nothing of contrast becomes T1C where it was acquired after one.
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
