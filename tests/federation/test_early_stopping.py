"""The best round on patients kept apart, by hand and in a run; nothing else is touched."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.federation.checkpoint import (
    Checkpoint,
    checkpoint_path,
    finished,
    load_checkpoint,
    save_checkpoint,
)
from flame.federation.config import TrainConfig
from flame.federation.early_stopping import EarlyStopping
from flame.federation.folds import calibration_rows
from flame.federation.run_strategy import strategy_of
from flame.federation.strategies.strategy import State
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.pipelines import train


def test_mean_and_worst_by_hand() -> None:
    answers = {
        "a": {"loss": 6.0, "count": 10},
        "b": {"loss": 4.0, "count": 2},
        "c": {"loss": 0.0, "count": 0},
    }
    assert EarlyStopping("mean").loss(answers) == pytest.approx(10 / 12)
    assert EarlyStopping("worst").loss(answers) == 2.0
    assert np.isnan(EarlyStopping("mean").loss({"c": answers["c"]}))


def test_the_lowest_loss_is_kept_and_patience_ends_it() -> None:
    stopping = EarlyStopping(patience=2)
    at, over = Checkpoint(0, State([]), {}), []
    for number, loss in enumerate((0.9, 0.5, float("nan"), 0.7), 1):
        at = replace(at, round=number, state=State([np.array(number)]))
        at = stopping.after(at, loss)
        over.append(stopping.is_over(at))
    assert (at.best_round, at.best_loss) == (2, 0.5)
    assert at.best is not None
    assert at.best.weights[0] == 2
    assert over == [False, False, False, True]
    assert not EarlyStopping(patience=0).is_over(at)


def test_a_checkpoint_remembers_the_best(tmp_path: Path) -> None:
    best = State([np.ones(2)], {"own.a": [np.zeros(2)]}, ("x",))
    last = State([np.full(2, 3.0)], {"own.a": [np.ones(2)]}, ("x",))
    path = checkpoint_path(tmp_path, "t")
    save_checkpoint(path, Checkpoint(5, last, {}, best=best, best_loss=0.25, best_round=3))
    found = load_checkpoint(path)
    assert found is not None
    assert found.best is not None
    assert (found.best_round, found.best_loss) == (3, 0.25)
    for one, other in ((found.state, last), (found.best, best)):
        assert np.array_equal(one.weights[0], other.weights[0])
        assert np.array_equal(one.memory["own.a"][0], other.memory["own.a"][0])
        assert one.names == other.names


@pytest.mark.slow
@pytest.mark.parametrize("watch", ["mean", "worst"])
def test_a_run_keeps_its_best_round(toy: TrainConfig, tmp_path: Path, watch: str) -> None:
    training = replace(
        toy.training, rounds=12, epochs=5, learning_rate=2.0, validation=3, watch=watch
    )
    config = replace(toy, training=training)
    train.run(config, tmp_path / "run")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    own = history[history.training == "federated.seed-0.all"]
    losses = own.groupby("round").validation.first()
    best = finished(tmp_path / "run", "federated.seed-0.all")
    assert best.best_round == losses.idxmin() < 12
    assert best.best_loss == pytest.approx(losses.min())
    # Its loss by hand, from the patients that the hash keeps apart.
    task, parts = open_task(config), []
    for name in ("a", "b"):
        patients = task.patients(load_cohort(config, name))
        patients = patients.take(patients.labelled)
        kept = patients.take(np.flatnonzero(calibration_rows(patients, 0, 3)))
        told = task.predict(kept, best.state.weights, best.shared)
        each = -np.log(np.where(kept.response > 0.5, told, 1 - told))
        parts.append(each)
    by_hand = {"mean": np.concatenate(parts).mean(), "worst": max(p.mean() for p in parts)}
    assert best.best_loss == pytest.approx(by_hand[watch], rel=1e-5)
    assert own.groupby("site").patients.first().sum() == 40 - sum(map(len, parts))


def test_patience_ends_a_training_and_a_finished_run_stays(
    toy: TrainConfig, tmp_path: Path
) -> None:
    training = replace(
        toy.training, rounds=50, epochs=5, learning_rate=3.0, validation=3, patience=2
    )
    config = replace(toy, training=training)
    train.run(config, tmp_path / "run")
    found = finished(tmp_path / "run", "federated.seed-0.all")
    assert found.round == found.best_round + 2 < 50
    train.run(config, tmp_path / "run")
    assert finished(tmp_path / "run", "federated.seed-0.all").round == found.round


def test_settings_that_cannot_be(toy: TrainConfig) -> None:
    for change, message in (
        ({"patience": 3}, "needs training.validation"),
        ({"validation": 1}, "training.validation must be 2 or more"),
        ({"watch": "best"}, "watch must be one of mean, worst"),
    ):
        with pytest.raises(BadInput, match=message):
            replace(toy, training=replace(toy.training, **change))
    hasty = replace(toy.federation, strategy="fedbuff")
    config = replace(toy, training=replace(toy.training, validation=3), federation=hasty)
    with pytest.raises(BadInput, match="do not wait for it"):
        strategy_of(config)
    with pytest.raises(BadInput, match="by a network"):
        open_task(replace(toy, task="survival", training=replace(toy.training, validation=5)))
