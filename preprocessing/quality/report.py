"""quality.html: every day of a cohort with its picture, measures and verdict; opens offline."""

import base64
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import jinja2

from flame.core.files import write_text
from flame.io.bids import picture_path
from flame.preprocessing.quality.reviews import Decision, Key, decision
from flame.preprocessing.session import StudyResult

_MEASURES = ("brain_ml", "atlas_dice", "brain_at_border", "target_inside_brain")
_BY_SEQUENCE = ("alignment_", "coverage_")

Shown = tuple[str, float, str]


@dataclass(frozen=True)
class Row:
    """A day as shown; ``picture`` is a data URI or empty, ``checks`` (name, value, verdict)."""

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
    """Write quality.html and return its path; ``refused`` are the rows of refused.tsv."""
    loader = jinja2.PackageLoader("flame.preprocessing.quality", ".")
    page = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    rows = [_row(out, r, decisions) for r in results]
    reasons = Counter((str(r["rule"]), str(r["reason"])) for r in refused)
    html = page.get_template("quality.html.j2").render(
        name=out.name,
        rows=rows,
        reasons=reasons.most_common(),
        simulated=simulated,
        counts=Counter(r.result.quality for r in rows),
        measures=[m for m in _MEASURES if any(m == n for row in rows for n, *_ in row.checks)],
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
    word = decision(decisions, result.subject, result.session, result.day)
    return Row(result, word, checks, by_sequence, uri)
