"""The quality report: every day with its verdict, and what was refused."""

from pathlib import Path

from flame.preprocessing.quality.checks import Check
from flame.preprocessing.quality.report import write_quality_report
from flame.preprocessing.quality.reviews import Decision
from flame.preprocessing.study import NAN, StudyResult


def result(session: str, quality: str, *checks: Check, picture: bytes = b"") -> StudyResult:
    return StudyResult(
        *("p1", session, -3, "done", "T1 T1C", 1234.0, 0.91, quality, "a <note>"),
        checks=checks,
        picture=picture,
    )


def test_days_with_their_checks_pictures_and_reviews(tmp_path: Path) -> None:
    checks = (Check("brain_ml", 1234.0, "pass"), Check("alignment_T2", 0.2, "review", "low"))
    results = [result("01", "review", *checks), result("02", "fail", picture=b"jpeg")]
    refused: list[dict[str, object]] = [{"rule": "geometry", "reason": "a gap"}] * 3
    decisions = {("p1", "02"): Decision("accept", None, "line 2")}
    page = write_quality_report(tmp_path, results, decisions, refused, True)
    html = page.read_text()
    assert page == tmp_path / "quality.html"
    for text in ("1234", "alignment of T2", "accept", "a gap", "a &lt;note&gt;", "anBlZw=="):
        assert text in html
    assert "imulated" in html
    assert "//" not in html.replace("data:image", "").split("<style")[0]


def test_a_cohort_without_days_has_a_page(tmp_path: Path) -> None:
    html = write_quality_report(tmp_path, [], {}, [], False).read_text()
    assert "<html" in html
    assert str(NAN) not in html
