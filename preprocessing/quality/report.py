"""Quality report quality.html: every day with its picture, measures and verdict, in one file."""

import base64
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame.core import html
from flame.core.files import write_text
from flame.io.bids import picture_path
from flame.preprocessing.quality.checks import (
    BRAIN_ML,
    MAX_AT_BORDER,
    MIN_ALIGNMENT,
    MIN_COVERAGE,
    MIN_DAYS_ALIGNMENT,
    MIN_DAYS_DICE,
    MIN_OVERLAP,
    MIN_TARGET_INSIDE,
)
from flame.preprocessing.quality.reviews import Decision, Key, decision
from flame.preprocessing.quality.thumbnails import OUTLINES
from flame.preprocessing.study import StudyResult

_MEASURES = (
    "brain_ml",
    "atlas_dice",
    "days_dice",
    "days_alignment",
    "brain_at_border",
    "target_inside_brain",
)
_BY_SEQUENCE = ("alignment_", "coverage_")

_LIMITS = {
    "brain_ml": f"{BRAIN_ML[0]:g} to {BRAIN_ML[1]:g}",
    "atlas_dice": f"at least {MIN_OVERLAP:g}",
    "days_dice": f"at least {MIN_DAYS_DICE:g}",
    "days_alignment": f"at least {MIN_DAYS_ALIGNMENT:g}",
    "brain_at_border": f"at most {MAX_AT_BORDER:g}",
    "target_inside_brain": f"at least {MIN_TARGET_INSIDE:g}",
    "sequences": f"alignment at least {MIN_ALIGNMENT:g}, coverage at least {MIN_COVERAGE:g}",
}
"""Range of each measure that passes."""
_FEWEST = 3
"""Least number of days of which an overview is drawn."""
_OUTLIER = 3.0
"""Deviations from the median, in scaled median absolute deviations, that make an outlier."""

Shown = tuple[str, float, str]


@dataclass(frozen=True)
class Row:
    """One day of the report.

    Args:
        result: result of preprocessing.
        decision: review of the day, or empty.
        of_patient: review of the whole patient, if the day has none of its own; or empty.
        checks: name, value and verdict of each check.
        by_sequence: name, value and verdict of the checks of single sequences.
        picture: JPEG of the day as a data URI, or empty.
    """

    result: StudyResult
    decision: str
    of_patient: str
    checks: list[Shown]
    by_sequence: list[Shown]
    picture: str


@dataclass(frozen=True)
class Overview:
    """A measure of all days, drawn on a line.

    Args:
        name: name of the measure.
        low: lowest value.
        high: highest value.
        points: position from 10 to 410, verdict and label of each day.
        outliers: labels of the days that are far from the median.
    """

    name: str
    low: str
    high: str
    points: list[tuple[float, str, str]]
    outliers: list[str]


def write_quality_report(
    out: Path,
    results: list[StudyResult],
    decisions: dict[Key, Decision],
    refused: list[dict[str, object]],
    simulated: bool,
) -> Path:
    """Write the quality report of a cohort.

    Args:
        out: output folder of preprocessing.
        results: result of each day.
        decisions: reviews of days by people, by subject and session.
        refused: rows of refused.tsv.
        simulated: whether the cohort is simulated.

    Returns:
        Path of the report, quality.html in ``out``.
    """
    rows = [_row(out, r, decisions) for r in results]
    shown = {name for row in rows for name, *_ in row.checks}
    reasons = Counter((str(r["rule"]), str(r["reason"])) for r in refused)
    page = html.filled(
        "flame.preprocessing.quality",
        "quality.html.j2",
        name=out.name,
        rows=rows,
        reasons=reasons.most_common(),
        simulated=simulated,
        counts=Counter(r.result.quality for r in rows),
        measures=[m for m in _MEASURES if m in shown],
        limits=_LIMITS,
        patients=[(s, d.word) for (s, session), d in decisions.items() if not session],
        outlines=OUTLINES,
        overview=[plot for m in _MEASURES if (plot := _overview(m, rows))],
    )
    write_text(out / "quality.html", page)
    return out / "quality.html"


def _overview(measure: str, rows: list[Row]) -> Overview | None:
    """Draw a measure of all days; None if fewer than three days have it."""
    found = [
        (value, verdict, f"sub-{row.result.subject} ses-{row.result.session}: {value:g}")
        for row in rows
        for name, value, verdict in row.checks
        if name == measure and np.isfinite(value)
    ]
    if len(found) < _FEWEST:
        return None
    values = np.array([value for value, *_ in found])
    low = float(values.min())
    width = float(np.ptp(values)) or 1.0
    distance = np.abs(values - np.median(values))
    spread = 1.4826 * float(np.median(distance))  # of a normal distribution, its deviation
    far = distance > _OUTLIER * spread if spread else np.zeros(len(values), bool)
    points = [(round(10 + 400 * (v - low) / width, 1), verdict, text) for v, verdict, text in found]
    outliers = [text for (*_, text), is_far in zip(found, far, strict=True) if is_far]
    return Overview(measure.replace("_", " "), f"{low:g}", f"{low + width:g}", points, outliers)


def _row(out: Path, result: StudyResult, decisions: dict[Key, Decision]) -> Row:
    checks: list[Shown] = [(c.name, c.value, c.verdict) for c in result.checks]
    by_sequence: list[Shown] = [
        (name.replace("_", " of "), value, verdict)
        for name, value, verdict in checks
        if name.startswith(_BY_SEQUENCE)
    ]
    path = picture_path(out, result.subject, result.session)
    jpeg = path.read_bytes() if path.exists() else result.picture
    uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
    review = decision(decisions, result.subject, result.session, result.day)
    is_own = (result.subject, result.session) in decisions
    own, of_patient = (review, "") if is_own else ("", review)
    return Row(result, own, of_patient, checks, by_sequence, uri)
