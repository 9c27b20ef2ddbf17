"""What is kept of a run that is killed."""

from pathlib import Path

from flame.streams.nodes.checkpoints import Checkpoints


def test_the_latest_four_are_kept_and_no_half_written_file_counts(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    for position in (1, 2, 10, 11, 12):
        kept.save(position, {"at": position})
    (tmp_path / ".000000013.pickle.part").write_bytes(b"half")
    assert kept.positions() == [2, 10, 11, 12]
    assert kept.load(11) == {"at": 11}
    assert kept.load(1) is None
