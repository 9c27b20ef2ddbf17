"""Statistics over real hospitals: those of lifelines, scikit-learn and pandas on pooled rows."""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import concordance_index
from lifelines.utils.concordance import _concordance_summary_statistics
from sklearn.metrics import roc_auc_score

from flame.core.errors import BadInput, FlameError
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig, PrivacyConfig, RegressionConfig
from flame.federation.task import Query, Shared
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines import describe, train
from tests.federation.tasks.test_logistic import heart_disease


def shared_of(config: TrainConfig, run: Path) -> Shared:
    names = train.resolve(replace(config, task="statistics")).data.centres
    return finished(run, Training(FEDERATED, names, 0, 2).name).shared


def agrees(shared: Shared, table: pd.DataFrame, features: tuple[str, ...]) -> None:
    """With columns centre, days, died and response."""
    known = table[table.days.notna()]
    fitter = KaplanMeierFitter().fit(known.days, known.died)
    curve = fitter.survival_function_.iloc[:, 0]
    assert shared["alive"] == pytest.approx(curve[shared["times"]].to_numpy(), abs=1e-6)
    test = multivariate_logrank_test(known.days, known.centre, known.died)
    assert shared["log_rank"][0] == pytest.approx(test.test_statistic, abs=1e-6)
    for place, feature in enumerate(features):
        there = table[table[feature].notna() & table.response.notna()]
        auc = roc_auc_score(there.response, there[feature])
        assert shared["auc"][place, 0] == pytest.approx(auc, abs=1e-6)
        there = known[known[feature].notna()]
        parts = [
            _concordance_summary_statistics(
                p.days.to_numpy(), p[feature].to_numpy(float), p.died.to_numpy()
            )
            for _, p in there.groupby("centre")
        ]
        right, tied, pairs = reduce(np.add, [part[:3] for part in parts])
        assert shared["c_index"][place, 0] == pytest.approx((right + tied / 2) / pairs, abs=1e-6)
        pooled = concordance_index(there.days, there[feature], there.died)
        assert shared["c_index_across"][place, 0] == pytest.approx(pooled, abs=1e-6)
    assert shared["mean"] == pytest.approx(table[list(features)].mean().to_numpy(), abs=1e-6)


@pytest.mark.parametrize(
    "engine",
    ["in-process", pytest.param("flare", marks=[pytest.mark.flare, pytest.mark.slow])],
)
def test_three_real_hospitals(
    shared: Callable[[str], Path],
    table_config: Callable[..., TrainConfig],
    tmp_path: Path,
    engine: str,
) -> None:
    features = ("age", "mgmt_status", "tumor_volume", "resection_status")
    model = ResponseModelConfig(clinical=features)
    table_path = shared("tables/gbm_four_centres.csv")
    config = table_config(table_path, baselines={}, model=model)
    federation = replace(config.federation, engine=engine)
    config = replace(config, privacy=PrivacyConfig(least_count=1), federation=federation)
    describe.run(config, tmp_path / "run")
    table = pd.read_csv(config.data.table)
    table = table[table.centre.isin(config.data.centres)]
    died = table.survival_status  # an unknown status is not assumed to be a death
    response = (table.survival_days > 365).astype(float)
    response[(table.survival_days <= 365) & (died != 1)] = np.nan
    response[table.survival_days.isna() | died.isna()] = np.nan
    days = table.survival_days.where(died.notna())
    table = table.assign(days=days, died=died, response=response)
    agrees(shared_of(config, tmp_path / "run"), table, features)


def test_six_regions_of_tcga_brca(shared: Callable[[str], Path], tmp_path: Path) -> None:
    table = pd.read_csv(shared("tables/fed_tcga_brca/brca.csv"))
    split = pd.read_csv(shared("tables/fed_tcga_brca/train_test_split.csv"))
    table = table.merge(split, on="pid")
    table["centre"] = "region-" + table.fold2.str[-1]
    table.to_csv(tmp_path / "brca.csv", index=False)
    features = tuple(table.columns[1:6])
    data = DataConfig(
        table=str(tmp_path / "brca.csv"), id_column="pid", survival=("T", "E"), horizon_days=1000.0
    )
    model = ResponseModelConfig(clinical=features)
    config = TrainConfig(data, model, privacy=PrivacyConfig(least_count=1))
    describe.run(config, tmp_path / "run")
    response = (table["T"] > 1000).astype(float).where((table["T"] > 1000) | (table.E == 1))
    table = table.assign(days=table["T"], died=table.E, response=response)
    agrees(shared_of(config, tmp_path / "run"), table, features)


def test_four_hospitals_of_heart_disease(shared: Callable[[str], Path], tmp_path: Path) -> None:
    config = heart_disease(shared("tables/heart_disease_4sites"), tmp_path / "heart.csv")
    describe.run(replace(config, privacy=PrivacyConfig(least_count=1)), tmp_path / "run")
    table, found = pd.read_csv(config.data.table), shared_of(config, tmp_path / "run")
    for place, feature in enumerate(config.model.clinical):
        there = table[table[feature].notna()]
        auc = roc_auc_score(there.response, there[feature])
        assert found["auc"][place, 0] == pytest.approx(auc, abs=1e-6)
        assert found["mean"][place] == pytest.approx(there[feature].mean(), abs=1e-6)
    assert np.isnan(found["log_rank"][2])  # no survival times


def test_small_counts_do_not_leave(toy: TrainConfig) -> None:
    config = replace(toy, task="statistics", privacy=PrivacyConfig(least_count=5))
    task = open_task(config)
    patients = task.patients(load_cohort(config, "a"))
    left = task.reply([patients], Query("survival"))["a"]
    assert min(left["deaths"] + left["censored"]) >= 5
    for counts in task.reply([patients], Query("features"))["a"]["auc"]:
        assert min(counts["yes"] + counts["no"]) >= 5
    with pytest.raises(BadInput, match=r"fewer than privacy.least_count = 5"):
        task.reply([patients.take(np.arange(4))], Query("moments"))


def test_with_five_together_the_curve_moves_little(toy: TrainConfig, tmp_path: Path) -> None:
    found = {}
    for least in (1, 5):
        config = replace(toy, privacy=PrivacyConfig(least_count=least))
        describe.run(config, tmp_path / str(least))
        found[least] = shared_of(config, tmp_path / str(least))
    ends = (
        np.searchsorted(found[5]["times"], 500.0) - 1,
        np.searchsorted(found[1]["times"], 500.0) - 1,
    )
    coarse, exact = found[5]["alive"][ends[0]], found[1]["alive"][ends[1]]
    assert coarse == pytest.approx(exact, abs=0.1)
    assert len(found[5]["times"]) < len(found[1]["times"]) / 3


def test_a_site_refuses_to_train_on_too_few(toy: TrainConfig, tmp_path: Path) -> None:
    config = replace(toy, privacy=PrivacyConfig(least_patients=20))
    with pytest.raises(FlameError, match=r"refuses to reply for fewer than .*least_patients = 20"):
        train.run(config, tmp_path / "run")


def test_sums_at_each_death_need_a_limit_of_one(toy: TrainConfig) -> None:
    with pytest.raises(BadInput, match="those of single patients"):
        open_task(
            replace(
                toy,
                task="survival",
                privacy=PrivacyConfig(least_patients=5),
                regression=RegressionConfig(stratified=False),
            )
        )


def test_inner_folds_hold_enough_patients_too(toy: TrainConfig, tmp_path: Path) -> None:
    model = replace(toy.model, kind="logistic")
    config = replace(toy, model=model, privacy=PrivacyConfig(least_patients=5))
    with pytest.raises(BadInput, match=r"an inner fold has fewer patients than .* = 5"):
        train.run(config, tmp_path / "run")
    train.run(replace(config, regression=RegressionConfig(penalizer=0.1)), tmp_path / "given")


def test_statistics_are_not_trained(toy: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run flame describe"):
        train.run(replace(toy, task="statistics"), tmp_path / "run")
