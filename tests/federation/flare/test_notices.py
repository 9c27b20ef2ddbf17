"""Notices of a kit."""

from pathlib import Path

from flame.federation.flare.notices import note


def test_a_repeated_notice_is_written_once(tmp_path: Path) -> None:
    log = tmp_path / "notices.log"
    for text in ("b is back", "b is back", "b is gone", "b is back"):
        note(log, text)
    lines = log.read_text().splitlines()
    assert [line.partition(" UTC ")[2] for line in lines] == ["b is back", "b is gone", "b is back"]
