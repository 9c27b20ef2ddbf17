"""Notices of a kit."""

from pathlib import Path

from flame.federation.flare.notices import note


def test_a_repeated_notice_is_written_once(tmp_path: Path) -> None:
    log = tmp_path / "notices.log"
    for text in ("b at port 17 is back", "b at port 99 is back", "b is gone\nc is gone"):
        note(log, text)
    lines = [line.partition(" UTC ")[2] for line in log.read_text().splitlines()]
    assert lines[0] == "b at port 17 is back"
    assert len(lines) == 2
    assert lines[1].startswith("b is gone")
