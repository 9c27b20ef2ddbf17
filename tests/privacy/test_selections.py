"""A lead who varies models, sizes of groups and choices of patients from run to run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flame.core.treatment import Phase, Radiation, Treatment
from flame.federation.config import TrainConfig
from flame.federation.flare.site import FlareSite, _SiteResources
from flame.federation.flare.trainings import flare_plan
from flame.federation.packed_model import packed
from flame.federation.sections import (
    DataConfig,
    PrivacyConfig,
    RegressionConfig,
    ValidationConfig,
)
from flame.federation.task import Query
from flame.federation.tasks.evolution import GRID
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import who
from flame.models.evolution.config import EvolutionConfig
from flame.models.evolution.out_of_distribution import FEATURES
from flame.models.segmentation.case_table import Cases
from tests.helpers.tumours import PHOTONS, ball, tumour_case

PATIENTS = 40
CARBON = Treatment((Phase(Radiation.CARBON, 60.0, 20),))


@pytest.fixture
def config(toy: TrainConfig) -> TrainConfig:
    rng = np.random.default_rng(2)
    age = rng.normal(60, 10, PATIENTS).round(3)
    table = pd.DataFrame({"centre": "a", "patient_id": [f"p{n}" for n in range(PATIENTS)]})
    table = table.assign(age=age, response=(age + rng.normal(0, 9, PATIENTS) > 60).astype(int))
    table.to_csv(toy.data.table, index=False)
    model = replace(toy.model, clinical=("age",), kind="logistic")
    data = replace(toy.data, centres=("a", "b"))
    fixed = RegressionConfig(penalizer=0.1)
    return replace(toy, model=model, data=data, regression=fixed, baselines={})


@pytest.fixture
def kit(tmp_path: Path, config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("FLAME_DATA", str(config.data.table))

    def made(policy: str) -> _SiteResources:
        local = tmp_path / "kit" / "local"
        local.mkdir(parents=True, exist_ok=True)
        (local / "policy.toml").write_text(policy)
        return _SiteResources("a", local.parent, local)

    return made


def asked(config: TrainConfig, kit: _SiteResources, name: str) -> dict[str, Any]:
    training = flare_plan(config)[0]
    query = {"query": name, "parameters": {}, "weights": [], "shared": {}, "calibrating": False}
    reply: dict[str, Any] = FlareSite(config.to_json())._work(
        kit, "reply", {**query, "who": who(training)}
    )
    return reply


def validating(config: TrainConfig, least: int) -> TrainConfig:
    shared = {"count": np.array([40.0]), "mean": np.array([60.0]), "sum_sq_dev": np.array([4000.0])}
    model = packed(config, (([], {**shared, "beta": np.array([0.0, 0.8])}),))
    privacy = replace(config.privacy, least_patients=least)
    return replace(config, task="validation", privacy=privacy, validation=ValidationConfig(model))


def test_groups_of_other_sizes_show_no_patient(
    config: TrainConfig, kit: Callable[..., Any]
) -> None:
    """Means of the first 5 and of the first 6 neighbours would give the sixth."""
    here = kit("least_patients = 5\n")
    rows = [asked(validating(config, n), here, "outcomes")["a"]["rows"] for n in (1, 5, 6, 7)]
    assert all(np.array_equal(rows[0], other) for other in rows[1:])
    assert rows[0][:, 3].min() >= 5
    assert (here.kit / "validated.json").read_text().count('"') == 2  # one model


@pytest.mark.parametrize("key", ["include", "ranges"])
def test_a_threshold_cannot_be_moved_over_a_patient(
    config: TrainConfig, kit: Callable[..., Any], key: str
) -> None:
    """With any number of tries, whether a site replies would bisect its highest age."""
    here = kit("least_patients = 5\nselections = 4\n")
    replies = []
    for high in range(70, 100, 2):
        chosen = replace(config.data, **{key: {"age": (0.0, float(high))}})
        replies.append(asked(replace(config, data=chosen), here, "moments"))
    refused = ["selected in 4 ways" in str(reply.get("refused")) for reply in replies]
    assert refused == [False] * 4 + [True] * 11


def test_jobs_are_counted_of_whatever_configuration(
    config: TrainConfig, kit: Callable[..., Any]
) -> None:
    """Sums at many coefficients, each in its own job, are equations about the same patients."""
    here = kit("least_patients = 5\nruns = 3\n")
    replies = [asked(config, here, "moments") for _ in range(5)]
    refused = ["replied to 3 jobs" in str(reply.get("refused")) for reply in replies]
    assert refused == [False] * 3 + [True] * 2


def test_forecasts_have_no_sums_of_few_patients() -> None:
    """Of six patients one had carbon, two are unmethylated, and one was followed for long."""
    cases = [
        tumour_case(
            f"p{n}",
            methylated=float(n > 1),
            treatment=CARBON if n == 0 else PHOTONS,
            later=((50 + 100 * (n == 3), ball(17.0)),),
            history=((-40, ball(12.0)),) if n == 2 else (),
        )
        for n in range(6)
    ]
    patients = Cases("c", tuple(f"p{n}" for n in range(6)), tuple((c,) for c in cases))
    data = DataConfig(bids="there")
    config = TrainConfig(
        data,
        task="evolution",
        evolution=EvolutionConfig("mechanistic"),
        privacy=PrivacyConfig(least_patients=5),
    )
    task = open_task(config)
    described = task.reply([patients], Query("described", {}, [], {}))
    assert described["radiations"].tolist() == [5.0, 0.0, 0.0]
    assert described["longest"] == 60
    growth = list(FEATURES).index("growth before radiotherapy")
    assert described["count"][growth] == described["mean"][growth] == 0  # of one patient
    (sums,) = task.reply([patients], Query("mixture", {"trials": [{"efficacy": {}}]}, [], {}))[
        "sums"
    ]
    by_group = sums[0][:, :-1].sum(axis=1)  # posterior probabilities sum to 1 for each patient
    assert np.allclose(by_group, [0, 0, 6])
    weaker = {"trials": [{"efficacy": {"carbon": 0.7}}]}
    (of_one,) = task.reply([patients], Query("mixture", weaker, [], {}))["sums"]
    assert np.array_equal(of_one[0], sums[0])
    sets = sums[0].shape[1] - 1
    learned = {"mixture": np.full((3, sets), 1 / sets), "efficacy": np.ones(2), "grid": GRID}
    calibrated = task.reply([patients], Query("calibration", {}, [], learned))["counts"]
    assert set(calibrated[calibrated > 0]) == {6.0}
