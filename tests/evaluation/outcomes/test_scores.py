"""Response and survival at centres: net benefit, subgroups, the shortcut probe, effects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from flame.core.cohort import Cohort, Patient
from flame.core.errors import BadInput
from flame.evaluation.outcomes.curves import net_benefit
from flame.evaluation.outcomes.effects import feature_effects
from flame.evaluation.outcomes.evaluation import of_inputs
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.evaluation.outcomes.outcome import OUTCOMES
from flame.evaluation.outcomes.shortcut import probe
from flame.evaluation.outcomes.subgroups import subgroups
from flame.federation.checkpoint import finished
from flame.federation.config import TrainConfig
from flame.federation.run_folder import RunFolder
from flame.federation.sections import RegressionConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import Training
from flame.models.response.inputs import Inputs
from flame.pipelines import train


def inputs_of(centre: str, response: list[float], features: list[float]) -> Inputs:
    n = len(response)
    empty = np.zeros((n, 0), np.float32)
    return Inputs(
        centre,
        tuple(f"{centre}{i}" for i in range(n)),
        empty,
        np.array(features)[:, None],
        empty,
        np.array(response, np.float32),
        np.full(n, np.nan),
        np.zeros(n),
    )


def predicted(centre: str, values: list[float], folds: list[int]) -> Predictions:
    return Predictions("federated", ("a", "b"), centre, np.array([values]), np.array([folds]))


def test_net_benefit_by_hand() -> None:
    # Of four, at 0.5: two called, one right: 1/4 - 1/4 * 1; at 0.2: all called: 2/4 - 2/4 * 1/4.
    response, probability = np.array([1.0, 0, 1, 0]), np.array([0.9, 0.8, 0.3, 0.2])
    found = net_benefit(response, probability, np.array([0.5, 0.2]))
    assert found == pytest.approx([0.0, 0.375])


def test_pairs_of_subgroups_stay_within_a_centre() -> None:
    # Men: at a 0.9 (yes) beats 0.1 (no); at b 0.2 (yes) loses to 0.3 (no): one pair of two. That
    # a's 0.9 beats b's 0.3 is no pair.
    cohort = [inputs_of("a", [1, 0, 1], [0] * 3), inputs_of("b", [1, 0, 0], [0] * 3)]
    predictions = [predicted("a", [0.9, 0.1, 0.5], [0] * 3), predicted("b", [0.2, 0.3, 0], [0] * 3)]
    cohorts = [
        Cohort(
            i.centre,
            tuple(
                Patient(name, clinical={"sex": float(n == 2), "age": 50.0 + 20 * n})
                for n, name in enumerate(i.pseudonyms)
            ),
            False,
        )
        for i in cohort
    ]
    table = subgroups(OUTCOMES["response"], predictions, cohort, cohorts).set_index(
        ["subgroup", "value"]
    )
    everyone = table.loc[("all", "patients")]
    # Pairs within a hospital: of a 0.9 > 0.1, 0.5 > 0.1; of b 0.2 < 0.3, 0.2 > 0: three of four.
    assert (everyone.n, everyone.auc) == (6, 0.75)
    men = table.loc[("sex", "coded 0")]
    assert (men.n, men.auc) == (4, 0.5)
    # Men: two of four respond, and are given 0.9, 0.1, 0.2 and 0.3 on average 0.375.
    assert men["observed - predicted"] == pytest.approx(0.5 - 0.375)
    assert men["gap low"] < 0 < men["gap high"]
    assert table.loc[("age", "under 65"), "n"] == 2
    assert "radiation" not in table.index.get_level_values(0)


def test_a_model_that_only_tells_the_hospital_is_found_out() -> None:
    # At a 9 of 12 respond, at b 3 of 12; the model gives everyone the rate of the hospital.
    rng = np.random.default_rng(0)
    cohort = [
        inputs_of(c, [1.0] * yes + [0.0] * (12 - yes), list(rng.normal(size=12) + 20 * (c == "b")))
        for c, yes in (("a", 9), ("b", 3))
    ]
    folds = [n % 2 for n in range(12)]
    predictions = [predicted("a", [0.75] * 12, folds), predicted("b", [0.25] * 12, folds)]
    found = probe(OUTCOMES["response"], predictions, cohort)
    assert found is not None
    assert found.within.value == 0.5
    # Within a fold by hand: of 36 pairs each side at a and b, (9*9 + (9*3 + 3*9) / 2) / 144 in all.
    assert found.model.value == pytest.approx((81 + 27) / 144, abs=0.02)
    assert found.centre_only.value == pytest.approx(found.model.value, abs=0.02)
    assert (found.telling, found.chance) == (1.0, 0.5)


def test_one_hospital_has_no_shortcut() -> None:
    cohort = [inputs_of("a", [1, 0], [0, 0])]
    assert probe(OUTCOMES["response"], [predicted("a", [0.5, 0.5], [0, 0])], cohort) is None


def test_effects_of_a_logistic_regression_by_its_formula(toy: TrainConfig, tmp_path: Path) -> None:
    config = replace(
        toy, model=replace(toy.model, kind="logistic"), regression=RegressionConfig(penalizer=0.1)
    )
    run = tmp_path / "run"
    train.run(config, run)
    config = RunFolder(run).config()
    task = open_task(config)
    cohort = [task.patients(load_cohort(config, c)) for c in "ab"]
    found = {e.feature: e for e in feature_effects(config, run, cohort)}
    shared = finished(run, Training("federated", ("a", "b"), 0, 0).name).shared
    table = pd.read_csv(toy.data.table)
    z = (table[["x", "y"]] - table[["x", "y"]].mean()) / table[["x", "y"]].std(ddof=0)
    low, high = (
        expit(shared["beta"][0] + shared["beta"][1] * z.x.quantile(q) + shared["beta"][2] * z.y)
        for q in (0.1, 0.9)
    )
    at_a = (high - low)[table.centre == "a"].mean()
    assert found["x"].by_centre[0] == pytest.approx(at_a, abs=1e-9)
    assert found["x"].mean > 0 > found["y"].mean


def test_baselines_see_the_rows_that_the_task_took() -> None:
    patients = tuple(Patient(name) for name in ("a0", "x", "a1"))
    taken = of_inputs(Cohort("a", patients, False), inputs_of("a", [1, 0], [0, 0]))
    assert [p.pseudonym for p in taken.patients] == ["a0", "a1"]


def test_folds_need_as_many_persons(toy: TrainConfig, tmp_path: Path) -> None:
    table = pd.read_csv(toy.data.table).assign(person="one")
    table.to_csv(toy.data.table, index=False)
    data = replace(toy.data, person_column="person")
    with pytest.raises(BadInput, match="centre a has 1 patients to learn from, fewer than"):
        train.run(replace(toy, data=data), tmp_path / "run")
