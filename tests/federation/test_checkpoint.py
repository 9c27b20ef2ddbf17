"""A checkpoint gives back what was saved, whatever a strategy remembers."""

from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import BadInput, FlameError
from flame.federation.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from flame.federation.strategies.strategy import State


def test_all_memories_come_back_also_an_empty_one(tmp_path: Path) -> None:
    memory = {"control.site.a": [np.array([2.0])], "seen": []}
    path = tmp_path / "m.npz"
    save_checkpoint(path, Checkpoint(3, State([np.array([1.0])], memory, ("w",)), {}))
    back = load_checkpoint(path)
    assert back is not None
    assert back.round == 3
    assert back.state.weights == [1.0]
    assert back.state.memory == {"control.site.a": [2.0], "seen": []}
    assert back.state.names == ("w",)


def test_no_memory_takes_the_place_of_the_weights() -> None:
    with pytest.raises(BadInput, match="memory may not be called 'weights'"):
        State([np.zeros(1)], {"weights": [np.ones(1)]})


def test_a_file_of_other_arrays_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    np.savez(path, best_round=np.int64(0))
    with pytest.raises(FlameError, match="is damaged; delete it and run flame train again"):
        load_checkpoint(path)
