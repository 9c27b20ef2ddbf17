"""FLARE's engine starts nothing where there is nothing to do, and notices an unfinished end."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flame.core.errors import FlameError
from flame.federation.config import TrainConfig
from flame.federation.engine import Job
from flame.federation.flare import simulator
from flame.federation.flare.engine import FlareEngine
from flame.federation.tasks.registry import open_task


def job(config: TrainConfig, finished: bool) -> Job:
    folder: Any = SimpleNamespace(path=Path("run"), is_finished=lambda trainings: finished)
    return Job(config, open_task(config), folder, [], [])


def test_a_finished_run_starts_no_process(
    toy: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulator, "train_on_flare", None)  # a call would raise TypeError
    FlareEngine().train(job(toy, finished=True), lambda done, total: None)


def test_an_end_before_the_training_ended_is_an_error(
    toy: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []
    monkeypatch.setattr(simulator, "train_on_flare", lambda config, run, _: started.append(run))
    with pytest.raises(FlameError, match="run the same command again"):
        FlareEngine().train(job(toy, finished=False), lambda done, total: None)
    assert started == [Path("run")]
