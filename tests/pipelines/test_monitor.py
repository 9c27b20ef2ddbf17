"""The page of a run as it goes: rounds, sites that were lost, TensorBoard's curves."""

from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.federation.config import TrainConfig
from flame.federation.history import add_history, read_history
from flame.pipelines import monitor, train


def test_a_run_that_has_just_begun(toy: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is not a run folder .*take one in KIT/flame-runs"):
        monitor.run(tmp_path)
    train.run(toy, tmp_path / "run")
    for path in [*(tmp_path / "run" / "models").iterdir(), tmp_path / "run" / "history.csv"]:
        path.unlink()
    with pytest.raises(BadInput, match="no round is done yet"):
        monitor.run(tmp_path / "run")
    told = {"training": "federated.seed-0.all", "round": 1, "round_seconds": 5.0}
    add_history(
        tmp_path / "run",
        [
            {**told, "site": "a", "patients": 30, "loss": 0.5, "seconds": 1.0, "lost": ""},
            {**told, "site": "b", "patients": 0, "loss": None, "lost": "was silent for 5 s"},
        ],
    )
    result = monitor.run(tmp_path / "run")
    text = result.html.read_text()
    assert "was silent for 5 s" in text
    assert "Trainings that have begun: 1," in text


def test_event_files_lie_beside_the_page(toy: TrainConfig, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run = tmp_path / "run"
    train.run(toy, run)
    monitor.run(run, tensorboard=True)
    trainings = set(read_history(run).training)
    assert {folder.name for folder in (run / "tensorboard").iterdir()} == trainings
