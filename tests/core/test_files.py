from pathlib import Path

import pytest

from flame.core.files import atomic_path, content_hash, write_text


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_hash_depends_on_content_order_and_extra(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1")
    b.write_text("2")
    hashes = {content_hash([a, b]), content_hash([b, a]), content_hash([a, b], "x")}
    assert len(hashes) == 3
    assert content_hash([a, b]) == content_hash([a, b])
