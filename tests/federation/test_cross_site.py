"""Models of a run at every site: what is averaged, and that no site scores its own patients."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flame.core.scores import Scored
from flame.federation.config import TrainConfig
from flame.federation.cross_site import averaged, cross_site
from flame.federation.in_process import in_process_call
from flame.federation.run_folder import RunFolder
from flame.federation.site import Site
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, LOCAL, Training
from flame.pipelines import train


def test_figures_add_up_by_their_comparisons() -> None:
    rows = [
        {"seed": 0, **Scored("auc", 0.5, 0.04, 10, 7, 3)._asdict()},
        {"seed": 0, **Scored("auc", 0.8, 0.01, 30, 11, 5)._asdict()},
        {"seed": 0, **Scored("auc", float("nan"), 0.0, 0, 2, 2)._asdict()},
    ]
    found = averaged({"model": "m"}, pd.DataFrame(rows))
    assert found["value"] == pytest.approx((0.5 * 10 + 0.8 * 30) / 40)
    half = 1.959964 * np.sqrt((0.04 * 100 + 0.01 * 900) / 1600)
    assert (found["low"], found["high"]) == pytest.approx(
        (found["value"] - half, found["value"] + half)
    )
    assert (found["n"], found["events"]) == (20, 10)


def test_a_model_is_scored_on_patients_it_did_not_learn_from(
    toy: TrainConfig, tmp_path: Path
) -> None:
    train.run(replace(toy, training=replace(toy.training, rounds=1)), tmp_path / "run")
    config = RunFolder(tmp_path / "run").config()
    task = open_task(config)
    patients = {c: task.patients(load_cohort(config, c)) for c in "ab"}
    sites = {c: Site(task, [p]) for c, p in patients.items()}
    whole = Training(FEDERATED, ("a", "b"), 0, 2)
    folds = [replace(whole, fold=fold) for fold in range(2)]
    alone = Training(LOCAL, ("a",), 0, 2)
    done: list[tuple[int, int]] = []

    def progress(*steps: int) -> None:
        done.append((steps[0], steps[1]))

    call: Any = in_process_call(sites)
    table = cross_site(config, tmp_path / "run", [whole, *folds, alone], call, ("a", "b"), progress)
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    counts = table[table.metric == "auc"].set_index(["model", "tested_on"]).n.to_dict()
    # Held-out folds cover each centre once. The local model of a has not seen b.
    assert counts == {
        (FEDERATED, "a"): 24,
        (FEDERATED, "b"): 16,
        (alone.model, "b"): 16,
    }
