"""Federated logistic regressions equal those of scikit-learn on pooled rows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_score

from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.folds import fold_of
from flame.federation.in_process import in_process_call
from flame.federation.sections import DataConfig, RegressionConfig
from flame.federation.site import Site
from flame.federation.task import Shared
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.tasks.regression import PENALIZERS
from flame.federation.trainings import FEDERATED, Training
from flame.models.response.inputs import Inputs, ResponseModelConfig
from flame.pipelines import evaluate, train
from tests.helpers.engines import on_both_engines


def federated(config: TrainConfig, run: Path) -> tuple[Shared, list[Inputs]]:
    task = open_task(config)
    patients = [task.patients(load_cohort(config, c)) for c in config.data.centres]
    plan = [Training(FEDERATED, config.data.centres, 0, 5)]
    sites = {p.centre: Site(task, [p]) for p in patients}
    Coordinator(config, task, run, plan).run(in_process_call(sites), lambda f: f.centres)
    return finished(run, plan[0].name).shared, patients


def pooled(patients: list[Inputs]) -> tuple[np.ndarray, np.ndarray]:
    """Standardised features with the mean for what is missing, and outcomes."""
    known = [p.take(p.labelled) for p in patients]
    x = np.concatenate([p.features for p in known])
    scaled = (x - np.nanmean(x, axis=0)) / np.nanstd(x, axis=0)
    return np.nan_to_num(scaled), np.concatenate([p.response for p in known])


def expected(x: np.ndarray, y: np.ndarray, penalizer: float) -> LogisticRegression:
    model = LogisticRegression(C=1 / (penalizer * len(x)), tol=1e-12, max_iter=20000)
    return model.fit(x, y)


def heart_disease(folder: Path, out: Path) -> TrainConfig:
    parts = []
    for path in sorted(folder.glob("*.data")):
        part = pd.read_csv(path, na_values="?").assign(centre=path.name.split(".")[1])
        part["response"] = (part.target > 0).astype(int)
        parts.append(part.assign(patient_id=[f"{path.name}{n}" for n in range(len(part))]))
    pd.concat(parts).to_csv(out, index=False)
    centres = ("cleveland", "hungarian", "switzerland", "va")
    features = ("age", "sex", "trestbps", "chol", "thalach", "exang", "oldpeak", "cp")
    model = ResponseModelConfig(kind="logistic", clinical=features)
    return TrainConfig(DataConfig(table=str(out), centres=centres), model)


def test_four_real_hospitals_with_gaps(shared: Callable[[str], Path], tmp_path: Path) -> None:
    config = heart_disease(shared("tables/heart_disease_4sites"), tmp_path / "heart.csv")
    config = replace(config, regression=RegressionConfig(penalizer=0.01))
    found, patients = federated(config, tmp_path)
    model = expected(*pooled(patients), 0.01)
    beta = [*model.intercept_, *model.coef_[0]]
    assert found["beta"] == pytest.approx(beta, abs=1e-6)
    assert found["queried"] <= 10


def test_nested_cross_validation_chooses_what_pooled_scikit_learn_would(
    shared: Callable[[str], Path], table_config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = table_config(shared("tables/gbm_four_centres.csv"))
    clinical = (*config.features(), "tumor_volume", "et_volume", "original_glcm_Correlation")
    config = replace(config, model=ResponseModelConfig(kind="logistic", clinical=clinical))
    found, patients = federated(config, tmp_path)
    x, y = pooled(patients)
    known = [p.take(p.labelled) for p in patients]
    folds = PredefinedSplit(np.concatenate([fold_of(p, 0, 5, "penalty ") for p in known]))

    def held_out(penalizer: float) -> float:
        scores = [
            -len(test)
            * cross_val_score(
                LogisticRegression(C=1 / (penalizer * len(train)), tol=1e-9, max_iter=20000),
                x,
                y,
                scoring="neg_log_loss",
                cv=[(train, test)],
            )[0]
            for train, test in folds.split()
        ]
        return float(np.sum(scores))

    assert found["penalizer"] == min(PENALIZERS, key=held_out)
    model = expected(x, y, float(found["penalizer"]))
    assert found["beta"][1:] == pytest.approx(model.coef_[0], abs=1e-6)


@pytest.mark.slow
@pytest.mark.flare
def test_flare_and_in_process_find_the_same(toy: TrainConfig, tmp_path: Path) -> None:
    config = replace(toy, model=replace(toy.model, kind="logistic"))
    for one, other in on_both_engines(config, tmp_path):
        here, there = one.shared, other.shared
        assert all(np.array_equal(here[name], there[name]) for name in here)


@pytest.mark.slow
def test_a_personalised_model_is_drawn_towards_the_federated_one(
    toy: TrainConfig, tmp_path: Path
) -> None:
    config = replace(toy, model=replace(toy.model, kind="logistic"))
    config = replace(
        config,
        training=replace(config.training, personalised=True),
        regression=RegressionConfig(penalizer=0.2),
    )
    run = tmp_path / "run"
    train.run(config, run)
    both = finished(run, Training(FEDERATED, ("a", "b"), 0, 2).name).shared
    own = finished(run, Training("personalised-a", ("a",), 0, 2).name).shared
    task = open_task(config)
    patients = task.patients(load_cohort(config, "a"))
    # At its own maximum the slope of the likelihood is that of the penalty on leaving the other.
    slope = task.design(patients, own).T @ (patients.response - task.predict(patients, [], own))
    away = own["beta"] - both["beta"]
    pull = 0.2 * len(patients.response) * np.array([0, 1, 1]) * away
    assert slope == pytest.approx(pull, abs=1e-6)
    assert np.abs(away).min() > 1e-3
    scores = pd.read_csv(evaluate.run(run).scores)
    tested = scores[scores.model == "personalised"].groupby("metric").tested_on.unique()
    assert all(list(at) == ["a", "b"] for at in tested)


def test_what_is_missing_can_be_a_feature_of_its_own(toy: TrainConfig) -> None:
    model = replace(toy.model, missing="indicator")
    table = pd.read_csv(toy.data.table)
    table.loc[3, "x"] = np.nan
    table.to_csv(toy.data.table, index=False)
    config = replace(toy, model=model)
    inputs = open_task(config).patients(load_cohort(config, "a"))
    assert model.clinical_columns == ("x", "y", "x missing", "y missing")
    assert inputs.clinical[:, 2].nonzero()[0].tolist() == [3]
    assert not inputs.clinical[:, 3].any()
