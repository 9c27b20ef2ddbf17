"""The audit finds a model that learned its patients by heart, and clears one that did not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.evaluation.outcomes.membership import likelihood_ratio, membership
from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.federation.config import TrainConfig
from flame.federation.run_folder import RunFolder
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.pipelines import train


def audit(config: TrainConfig, run: Path) -> dict[str, tuple[float, float, float]]:
    train.run(config, run)
    config = RunFolder(run).config()
    task = open_task(config)
    inputs = [task.patients(load_cohort(config, c)) for c in config.data.centres]
    found = membership(Predictor(config, run, inputs))
    return {kind: (a.auc.value, a.caught, a.lira.value) for kind, a in found.items()}


@pytest.mark.slow
def test_a_model_that_knows_its_patients_by_heart(toy: TrainConfig, tmp_path: Path) -> None:
    table = pd.read_csv(toy.data.table)
    rng = np.random.default_rng(0)
    noise = {f"z{i}": rng.normal(size=len(table)) for i in range(30)}
    table.assign(response=rng.integers(0, 2, len(table)), **noise).to_csv(
        toy.data.table, index=False
    )
    model = replace(toy.model, clinical=("x", "y", *noise), hidden=32, l2=0.0)
    training = replace(toy.training, rounds=30, epochs=20, learning_rate=0.1, seeds=(0, 1))
    heart = audit(replace(toy, model=model, training=training), tmp_path / "heart")
    for kind in ("local", "federated", "pooled"):
        assert heart[kind][0] > 0.7, kind  # labels are coins: whatever it knows it learned here
        assert heart[kind][1] > 0.15, kind
        assert heart[kind][2] > heart[kind][0] - 0.05, kind  # LiRA is the stronger attack
    short = audit(replace(toy, training=replace(toy.training, rounds=1)), tmp_path / "short")
    assert short["federated"][0] == pytest.approx(0.5, abs=0.12)


def test_the_ratio_separates_members_by_hand() -> None:
    """Patient 1 is easy for every model: its loss tells nothing, its ratio does not either."""
    others = np.array([[3.0, 9.0], [3.2, 9.1], [1.0, 9.0], [1.2, 9.1]])
    member = np.array([[True, True], [True, True], [False, False], [False, False]])
    ratio = likelihood_ratio(others, member, np.array([3.1, 9.05]))
    variance = (4 * 0.1**2 + 4 * 0.05**2) / 8
    assert ratio == pytest.approx([2.0**2 / (2 * variance), 0.0], abs=1e-6)
    alone = likelihood_ratio(others[:2], member[:2], np.array([3.1, 9.05]))
    assert np.isnan(alone).all()
