"""Large arrays in pieces: what is cut comes back bit for bit, in memory or on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flame.federation.flare import pieces
from flame.federation.flare.pieces import cut, joined, on_disk


def is_on_disk(array: Any) -> bool:
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 64)
    monkeypatch.setattr(pieces, "LARGE", 1024)


@pytest.mark.usefixtures("small")
class TestCutAndJoined:
    @pytest.mark.parametrize("count", [0, 1, 8, 9, 100, 1000])
    @pytest.mark.parametrize("kind", [np.float32, np.float64, np.int8, np.bool_])
    def test_every_array_comes_back(self, count: int, kind: Any, tmp_path: Path) -> None:
        array = (np.arange(2 * count) % 7).astype(kind).reshape(2, count)
        message = {"weights": [array, array[:, ::2]], "also": (1, "x", None), "none": []}
        back = joined(cut(message), tmp_path)
        assert back["also"] == (1, "x", None)
        for one, other in zip(back["weights"], message["weights"], strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert np.array_equal(one, other)
        assert not list(tmp_path.iterdir())  # the files have no name

    def test_pieces_are_no_larger_than_a_piece(self) -> None:
        parts = cut([np.zeros(100)])[0]["pieces"]
        assert [part.nbytes for part in parts] == [64] * 12 + [32]
        assert cut([np.zeros(8)])[0].nbytes == 64  # is sent as it is

    def test_only_a_large_message_lies_on_disk(self, tmp_path: Path) -> None:
        (array,) = joined(cut([np.zeros(129)]), tmp_path)  # 1032 bytes
        assert is_on_disk(array)
        array += 1  # a copy of the message that its owner may change
        assert array.sum() == 129
        (array,) = joined(cut([np.zeros(128)]), tmp_path)
        assert not is_on_disk(array)
        assert is_on_disk(on_disk([np.zeros(129)], tmp_path)[0])
        assert not is_on_disk(on_disk([np.zeros(128)], tmp_path)[0])

    def test_pieces_are_let_go_while_they_are_joined(self, tmp_path: Path) -> None:
        message = cut([np.zeros(1000)])
        joined(message, tmp_path)
        assert message[0]["pieces"] == []

    def test_many_arrays_need_one_file(self, tmp_path: Path) -> None:
        """Each would hold a file open for as long as it lives."""
        arrays = [np.arange(n, n + 33.0) for n in range(50)]
        before = len(list(Path("/proc/self/fd").iterdir()))
        back = joined(cut(arrays), tmp_path)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1
        assert all(np.array_equal(a, b) for a, b in zip(arrays, back, strict=True))

    def test_pieces_that_do_not_fill_the_shape_are_refused(self, tmp_path: Path) -> None:
        message = cut([np.zeros(1000)])
        message[0]["pieces"].pop()
        with pytest.raises(ValueError, match="do not fill the shape"):
            joined(message, tmp_path)
