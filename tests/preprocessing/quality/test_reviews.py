"""Reviews of days by people."""

from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.preprocessing.quality.reviews import (
    FILE,
    decision,
    read_decisions,
    unmatched,
    without_day,
)

HEADER = "participant_id\tsession_id\tdecision\tday\n"


def test_reviews_of_days_and_of_whole_patients(tmp_path: Path) -> None:
    rows = "sub-a\tses-01\taccept\t-3\nsub-a\t2\texclude\t\nsub-b\tn/a\tExclude\t\n"
    (tmp_path / FILE).write_text(HEADER + rows)
    decisions = read_decisions(tmp_path)
    assert decision(decisions, "a", "01", -3) == "accept"
    assert decision(decisions, "a", "02", 60) == "exclude"  # a spreadsheet made 2 of 02
    assert decision(decisions, "a", "03", 90) == ""
    assert decision(decisions, "b", "07", 90) == "exclude"
    assert read_decisions(tmp_path / "nothing") == {}


def test_a_day_that_moved_has_to_be_looked_at_again(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(HEADER + "sub-a\tses-01\taccept\t-3\n")
    with pytest.raises(BadInput, match=r"line 2.*day 40, not day -3"):
        decision(read_decisions(tmp_path), "a", "01", 40)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("sub-a\tses-01\taccepted\t\n", "did you mean 'accept'"),
        ("sub-a\t\taccept\t\n", "name the session"),
        ("sub-a\t1\taccept\t\nsub-a\t01\texclude\t\n", "line 3.*occurs twice"),
        ("sub-a\t1\taccept\tsoon\n", "'soon' is not a whole number"),
    ],
)
def test_lines_that_cannot_be_meant_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / FILE).write_text(HEADER + rows)
    with pytest.raises(BadInput, match=message):
        read_decisions(tmp_path)


def test_a_review_of_a_day_that_does_not_exist_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(HEADER + "sub-a\t01\taccept\t\nsub-x\t01\texclude\t\n")
    (warning,) = unmatched(read_decisions(tmp_path), [("a", "01")])
    assert "line 3" in warning


def test_a_session_without_its_day_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        "participant_id\tsession_id\tdecision\tday\n"
        "sub-a\tses-01\texclude\t\nsub-a\tses-02\texclude\t30\nsub-b\tn/a\texclude\t\n"
    )
    (warning,) = without_day(read_decisions(tmp_path))
    assert "line 2: name the day" in warning
