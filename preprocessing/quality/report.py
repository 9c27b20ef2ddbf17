"""Quality report quality.html: every day with its picture, measures and verdict, in one file."""

import base64
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jinja2

from flame.core.files import write_text
from flame.io.bids import picture_path
from flame.preprocessing.quality.reviews import Decision, Key, decision
from flame.preprocessing.study import StudyResult

_MEASURES = ("brain_ml", "atlas_dice", "brain_at_border", "target_inside_brain")
_BY_SEQUENCE = ("alignment_", "coverage_")

Shown = tuple[str, float, str]


@dataclass(frozen=True)
class Row:
    """One day of the report.

    Args:
        result: result of preprocessing.
        decision: review of the day, or empty.
        checks: name, value and verdict of each check.
        by_sequence: name, value and verdict of the checks of single sequences.
        picture: JPEG of the day as a data URI, or empty.
    """

    result: StudyResult
    decision: str
    checks: list[Shown]
    by_sequence: list[Shown]
    picture: str


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
    loader = jinja2.PackageLoader("flame.preprocessing.quality", ".")
    page = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    rows = [_row(out, r, decisions) for r in results]
    shown = {name for row in rows for name, *_ in row.checks}
    reasons = Counter((str(r["rule"]), str(r["reason"])) for r in refused)
    html = page.get_template("quality.html.j2").render(
        name=out.name,
        rows=rows,
        reasons=reasons.most_common(),
        simulated=simulated,
        counts=Counter(r.result.quality for r in rows),
        measures=[m for m in _MEASURES if m in shown],
    )
    write_text(out / "quality.html", html)
    return out / "quality.html"


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
    return Row(result, review, checks, by_sequence, uri)
