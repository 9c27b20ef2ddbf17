"""What is kept of a run that is killed, and who can read it."""

from pathlib import Path

from flame.streams.nodes.checkpoints import Checkpoints


def test_the_latest_four_are_kept_and_no_half_written_file_counts(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "kept")
    for position in (1, 2, 10, 11, 12):
        kept.save(position, {"at": position})
    (tmp_path / "kept" / ".000000013.pickle.part").write_bytes(b"half")
    assert kept.positions() == [0, 2, 10, 11, 12]
    assert kept.load(11) == {"at": 11}
    assert kept.load(1) is None
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "kept").glob("0*")} == {0}


def test_going_on_from_an_earlier_step_forgets_the_later_ones(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    for position in (5, 6, 7, 8):
        kept.save(position, position)
    assert kept.latest(6) == (6, 6)
    assert kept.positions() == [0, 5, 6]
    assert kept.latest(4) == (0, None)
    kept.save(5, 5)
    kept.finish(20)
    assert kept.positions() == [0, 20]
