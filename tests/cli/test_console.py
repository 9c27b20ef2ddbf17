"""Progress without a terminal, as in a log file."""

import pytest

from flame.cli import console


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("flame.cli.console.time.monotonic", lambda: now[0])
    return now


def test_a_line_a_minute_and_one_at_the_end_of_a_stage(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with console.bars() as show:
        for done in range(1, 6):
            clock[0] += 25  # 25 s a step: a line is due after 75 s, and at the end
            show("headers", done, 5)
        show("headers", 5, 5)
        show("short", 1, 1)
    assert capsys.readouterr().err.splitlines() == [
        "headers: 3 of 5",
        "headers: 5 of 5",
        "short: 1 of 1",
    ]


def test_quiet_says_nothing(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.out, "quiet", True)
    with console.bars() as show:
        show("headers", 5, 5)
    assert capsys.readouterr().err == ""


def test_a_table_shows_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    console.table("[/x]", ["a"], [["[red]b"]])
    shown = capsys.readouterr().out
    assert "[/x]" in shown
    assert "[red]b" in shown
    assert "\\" not in shown
