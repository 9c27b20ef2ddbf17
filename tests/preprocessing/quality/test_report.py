"""The quality report: every day with its verdict, and what was refused."""

import shutil
import subprocess
from pathlib import Path

import pytest

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


def days(*volumes: float) -> list[StudyResult]:
    return [
        result(f"{n:02d}", "pass", Check("brain_ml", volume, "pass"))
        for n, volume in enumerate(volumes, 1)
    ]


def test_limits_and_outliers_are_shown(tmp_path: Path) -> None:
    # Median 1300, median absolute deviation 10: 3 * 1.4826 * 10 = 44 ml.
    volumes = (1290, 1300, 1310, 1290, 1310, 1300, 1345)
    html = write_quality_report(tmp_path, days(*volumes), {}, [], False).read_text()
    assert "900 to 2000" in html
    assert "far from the others: sub-p1 ses-07: 1345</figcaption>" in html
    assert html.count("<circle") == 7


@pytest.mark.browser
def test_decisions_are_text_to_save(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium here (Debian package chromium)")
    decisions = {
        ("p1", "02"): Decision("accept", None, "line 2"),
        ("p1", ""): Decision("exclude", None, "line 3"),  # the whole patient
    }
    page = write_quality_report(tmp_path, days(1300, 1310), decisions, [], False)
    click = "<script>document.querySelector('[data-choose=exclude]').click()</script></body>"
    page.write_text(page.read_text().replace("</body>", click))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'b'}"]
    done = subprocess.run(
        [chromium, *flags, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120
    )
    lines = (
        "sub-p1\tn/a\texclude\tn/a",
        "sub-p1\tses-01\texclude\t-3",
        "sub-p1\tses-02\taccept\t-3",
    )
    header = "participant_id\tsession_id\tdecision\tday"
    assert "\n".join((header, *lines)) in done.stdout
