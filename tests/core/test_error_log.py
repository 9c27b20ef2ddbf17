"""Tracebacks stay in a file of their owner."""

from pathlib import Path

from flame.core.error_log import log_error


def raised() -> Exception:
    try:
        raise KeyError("Jane Doe")
    except KeyError as error:
        return error


def test_the_log_lies_beside_the_output_and_keeps_every_error(tmp_path: Path) -> None:
    out = tmp_path / "bids"
    out.mkdir()
    log = log_error(out, "sub-1", raised())
    assert log == tmp_path / "bids.errors.log"
    assert log_error(out, "sub-2", raised()) == log
    text = log.read_text()
    assert text.count("KeyError: 'Jane Doe'") == 2
    assert "sub-1" in text
    assert "in raised" in text
    assert log.stat().st_mode & 0o077 == 0
    assert not list(out.iterdir())


def test_where_nothing_can_be_written_the_log_is_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "bids.errors.log").mkdir()  # in the way, also of a root user
    log = log_error(tmp_path / "bids", "sub-1", raised())
    assert log.name == "bids.errors.log"
    assert log.parent != tmp_path
    assert "Jane Doe" in log.read_text()
    log.unlink()
    log.parent.rmdir()
