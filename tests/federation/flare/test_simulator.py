"""FLARE's simulator that does not start, and one that ends in the middle."""

from pathlib import Path

import pytest

from flame.core.errors import FlameError
from flame.federation import run_files
from flame.federation.config import TrainConfig
from flame.federation.flare import simulator


def ending(codes: list[int], progress: bool) -> object:
    def once(config: TrainConfig, run: Path, show: object) -> int:
        if progress:
            (run / run_files.PROGRESS).write_text("[1, 9]")
        return codes.pop(0)

    return once


@pytest.mark.parametrize(
    ("codes", "progress", "left"),
    [
        ([1, 0], False, 0),  # it had not begun: tried once more
        ([1, 1, 0], False, 1),
        ([1, 0], True, 1),  # it had: whoever reads the error decides
    ],
)
def test_what_never_began_is_tried_once_more(
    toy: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    codes: list[int],
    progress: bool,
    left: int,
) -> None:
    monkeypatch.setattr(simulator, "_simulated", ending(codes, progress))
    if left:
        with pytest.raises(FlameError, match=r"ended with code 1; see .*flare\.log"):
            simulator.train_on_flare(toy, tmp_path, lambda done, total: None)
    else:
        simulator.train_on_flare(toy, tmp_path, lambda done, total: None)
    assert len(codes) == left
