"""Federated Cox models of real and made-up patients equal those of lifelines on pooled rows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.utils import concordance_index

from flame.core.errors import BadInput
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.coordinator import Coordinator
from flame.federation.in_process import in_process_call
from flame.federation.sections import DataConfig, RegressionConfig
from flame.federation.site import Site
from flame.federation.task import Shared
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines import evaluate, train
from tests.helpers.engines import on_both_engines

CLINICAL = ("age", "sex", "mgmt_status", "idh_status", "resection_status", "tumor_volume")


def federated(config: TrainConfig, run: Path) -> Shared:
    task = open_task(config)
    sites = {c: Site(task, [task.patients(load_cohort(config, c))]) for c in config.data.centres}
    plan = [Training(FEDERATED, config.data.centres, 0, 5)]
    Coordinator(config, task, run, plan).run(in_process_call(sites), lambda f: f.centres)
    return finished(run, plan[0].name).shared


def coefficients(shared: Shared) -> np.ndarray:
    """Of the features as they are."""
    return np.asarray(shared["beta"] / np.sqrt(shared["sum_sq_dev"] / shared["count"]))


@pytest.mark.parametrize("stratified", [True, False])
def test_three_real_hospitals(
    shared: Callable[[str], Path],
    table_config: Callable[..., TrainConfig],
    tmp_path: Path,
    stratified: bool,
) -> None:
    config = table_config(shared("tables/gbm_four_centres.csv"))
    config = replace(
        config,
        task="survival",
        model=replace(config.model, clinical=CLINICAL),
        baselines={},
        data=replace(config.data, horizon_days=None),
        regression=RegressionConfig(stratified=stratified, penalizer=0.1),
    )
    found = federated(config, tmp_path)
    table = pd.read_csv(config.data.table)
    table = table[table.centre.isin(config.data.centres) & table.survival_days.notna()]
    table = table[["centre", *CLINICAL, "survival_days", "survival_status"]]
    table = table.fillna({"resection_status": 0.5, "survival_status": 1})
    expected = CoxPHFitter(penalizer=0.1).fit(
        table if stratified else table.drop(columns="centre"),
        "survival_days",
        "survival_status",
        strata=["centre"] if stratified else None,
        fit_options={"precision": 1e-12},
    )
    assert coefficients(found) == pytest.approx(expected.params_.to_numpy(), rel=1e-6)
    assert found["queried"] <= 10


def test_six_regions_of_tcga_brca_in_ten_rounds(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    table = pd.read_csv(shared("tables/fed_tcga_brca/brca.csv"))
    table = table.merge(pd.read_csv(shared("tables/fed_tcga_brca/train_test_split.csv")), on="pid")
    table["centre"] = "region-" + table.fold2.str[-1]
    features = tuple(table.columns[1:40])
    training, tested = (table[table.fold == part] for part in ("train", "test"))
    training.to_csv(tmp_path / "brca.csv", index=False)
    data = DataConfig(
        table=str(tmp_path / "brca.csv"),
        id_column="pid",
        survival=("T", "E"),
        centres=tuple(sorted(table.centre.unique())),
    )
    config = TrainConfig(
        data,
        ResponseModelConfig(clinical=features),
        task="survival",
        regression=RegressionConfig(penalizer=0.01),
    )
    found = federated(config, tmp_path)
    assert found["queried"] <= 10
    risk = tested[list(features)].to_numpy(float) @ coefficients(found)
    # A pooled Cox model of lifelines, penalizer 0.01, stratified by region, has 0.849.
    assert concordance_index(tested["T"], -risk, tested["E"]) == pytest.approx(0.849, abs=1e-3)


def late_patients(path: Path, wrong: bool = False) -> TrainConfig:
    """Patients of two hospitals, half of whom came under observation after day 0."""
    rng = np.random.default_rng(4)
    age = rng.normal(size=80)
    days = np.ceil(rng.exponential(300 * np.exp(-0.7 * age))) + 1
    entered = np.floor(days * rng.random(80) * (rng.random(80) < 0.5))
    entered[0] = days[0] if wrong else 0
    table = pd.DataFrame({"patient_id": [f"p{n}" for n in range(80)], "age": age, "days": days})
    table = table.assign(centre=["a", "b"] * 40, died=rng.random(80) < 0.8, from_day=entered)
    table.astype({"died": int}).to_csv(path, index=False)
    data = DataConfig(table=str(path), centres=("a", "b"), survival=("days", "died", "from_day"))
    return TrainConfig(
        data,
        ResponseModelConfig(clinical=("age",)),
        task="survival",
        regression=RegressionConfig(penalizer=0.01),
    )


def test_patients_who_entered_late_are_at_risk_from_then(tmp_path: Path) -> None:
    config = late_patients(tmp_path / "late.csv")
    found = federated(config, tmp_path / "run")
    table = pd.read_csv(tmp_path / "late.csv").drop(columns="patient_id")
    expected = CoxPHFitter(penalizer=0.01).fit(
        table, "days", "died", entry_col="from_day", strata=["centre"]
    )
    assert coefficients(found) == pytest.approx(expected.params_.to_numpy(), rel=1e-5)
    task = open_task(config)
    cohorts = [load_cohort(config, c) for c in "ab"]
    _, warnings = task.summary(cohorts, [task.patients(c) for c in cohorts])
    assert any("entered late" in w for w in warnings)


@pytest.mark.slow
@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.flare
def test_flare_and_in_process_find_the_same(
    toy: TrainConfig, tmp_path: Path, stratified: bool
) -> None:
    config = replace(toy, task="survival", regression=RegressionConfig(stratified=stratified))
    for one, other in on_both_engines(config, tmp_path):
        here, there = one.shared, other.shared
        assert all(np.array_equal(here[name], there[name]) for name in here)


def test_evaluation_and_report(toy: TrainConfig, tmp_path: Path) -> None:
    config = replace(toy, task="survival")
    train.run(config, tmp_path / "run")
    result = evaluate.run(tmp_path / "run")
    scores = pd.read_csv(result.scores)
    assert set(scores.metric) == {"c_index", "calibration slope"}
    scores = scores[scores.metric == "c_index"]
    assert {"federated", "local", "pooled", "Cox, x only"} <= set(scores.model)
    # The sums are exact, so that pooling adds nothing.
    each, pooled = (scores[scores.model == m].value.tolist() for m in ("federated", "pooled"))
    assert len(each) == 2
    assert each == pooled
    html = result.html.read_text()
    assert "C-index of survival" in html
    assert "Survival of predicted groups" in html


class TestBadInput:
    def test_an_entry_after_the_last_day(self, tmp_path: Path) -> None:
        config = late_patients(tmp_path / "late.csv", wrong=True)
        with pytest.raises(BadInput, match="entry_days: .* does not lie between 0 and the last"):
            load_cohort(config, "a")

    def test_an_entry_for_a_response_on_a_day(self, tmp_path: Path) -> None:
        config = late_patients(tmp_path / "late.csv")
        data = replace(config.data, horizon_days=365.0)
        with pytest.raises(BadInput, match="which only the task survival can use"):
            open_task(replace(config, task="response", data=data))

    def test_an_outcome_among_the_features(self, toy: TrainConfig) -> None:
        model = replace(toy.model, clinical=("x", "survival_days"))
        with pytest.raises(BadInput, match="hold an outcome"):
            open_task(replace(toy, task="survival", model=model))

    def test_nothing_to_learn_from(self, toy: TrainConfig) -> None:
        model = replace(toy.model, clinical=())
        config = replace(toy, task="survival", model=model, baselines={})
        with pytest.raises(BadInput, match=r"set model\.clinical"):
            open_task(config)

    def test_no_survival_times(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table).drop(columns="survival_days")
        table.to_csv(toy.data.table, index=False)
        with pytest.raises(BadInput, match="centre a: no patient has a known survival time"):
            train.run(replace(toy, task="survival"), tmp_path / "run")

    def test_nobody_died(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table).assign(died=0)
        table.to_csv(toy.data.table, index=False)
        with pytest.raises(BadInput, match="nobody died"):
            train.run(replace(toy, task="survival"), tmp_path / "run")

    def test_a_patient_at_two_centres_is_noticed(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table)
        copied = table[table.centre == "a"].head(2).assign(centre="b", patient_id=["b90", "b91"])
        pd.concat([table, copied]).to_csv(toy.data.table, index=False)
        (warning,) = train.run(replace(toy, task="survival"), tmp_path / "run").warnings
        assert "2 patients of a and b agree in every feature" in warning
        assert "both sides of a split" in warning

    def test_a_code_for_not_known_is_noticed(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table)
        table.loc[3, "y"] = 1e6
        table.to_csv(toy.data.table, index=False)
        (warning,) = train.run(replace(toy, task="survival"), tmp_path / "run").warnings
        assert "centre a: 1 patients have a 'y' more than 1000 interquartile ranges" in warning

    def test_an_id_that_occurs_twice_is_refused(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table)
        pd.concat([table, table.head(1)]).to_csv(toy.data.table, index=False)
        with pytest.raises(BadInput, match=r"occurs twice at centre 'a'.*data\.person_column"):
            train.run(replace(toy, task="survival"), tmp_path / "run")

    def test_unknown_status_is_named(self, toy: TrainConfig, tmp_path: Path) -> None:
        table = pd.read_csv(toy.data.table)
        table["died"] = table.died.where(table.centre == "a")
        table.to_csv(toy.data.table, index=False)
        (warning,) = train.run(replace(toy, task="survival"), tmp_path / "run").warnings
        assert "centre b: the survival status of 16 patients is missing" in warning
