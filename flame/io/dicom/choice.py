"""Chooses among the series of one sequence of an examination."""

import re
from dataclasses import replace

from flame.io.dicom.contrast import plain
from flame.io.dicom.instances import numbers
from flame.io.dicom.not_structural import is_reformat
from flame.io.dicom.series_report import SeriesReport

_HEAD = 120.0
"""Extent of a head in mm; a series that is shorter in some direction may cover a part of it."""
_COVERAGE_STEP = 20.0
"""Extents that differ by less than this, in mm, cover the head alike."""
_PART_OF_HEAD = re.compile(
    r"\b(?:orbit\w*|eyes?|pituitar\w*|sella\w*|hypophys\w*|iac|mai|cpa|felsenbein\w*|temporal bone|"
    r"tmj|neck|sinus\w*|parotis|face|jaw|slab|hippocamp\w*)\b"
)
"""Words of descriptions and of BodyPartExamined (0018,0015) for a part of the head."""


def prefer_best(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Keep the best series of each sequence of an examination, and refuse the others.

    The order of preference: named by a person, of the whole head, with larger coverage, an
    original, with thin slices, a clear sequence, and the highest SeriesNumber (0020,0011).

    Args:
        reports: all series of a folder.

    Returns:
        The reports in the same order.
    """
    best: dict[tuple[object, ...], SeriesReport] = {}
    for report in reports:
        if report.taken:
            key = (report.patient_id, report.day, report.examination, report.verdict.sequence)
            if key not in best or _quality(report) > _quality(best[key]):
                best[key] = report
    preferred = set(map(id, best.values()))
    return [r if not r.taken or id(r) in preferred else _refuse_second(r) for r in reports]


def _quality(report: SeriesReport) -> tuple[float, ...]:
    """Return a key that ranks series of one sequence; the highest is used."""
    assert report.geometry is not None
    series = report.series
    number = numbers(series.header, "SeriesNumber")
    text = f"{series.description} {series.header.get('BodyPartExamined') or ''}"
    sizes = zip(report.geometry.shape, report.geometry.spacing, strict=True)
    extent = min(min(n * step for n, step in sizes), _HEAD)
    return (
        report.verdict.rule == "override",
        not _PART_OF_HEAD.search(plain(text)),
        round(extent / _COVERAGE_STEP),
        not is_reformat(series),
        -round(max(report.geometry.spacing), 1),
        report.verdict.score,
        number[0] if number else 0.0,
    )


def _refuse_second(report: SeriesReport) -> SeriesReport:
    refused = (
        f"another {report.verdict.sequence} series of this examination is preferred (of the whole "
        "head, original, thinner, clearer or later); to use this one, name it with --sequences"
    )
    return replace(report, refused=refused)
