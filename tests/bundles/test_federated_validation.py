"""Validation from grouped patients: exactly the pooled figures where nobody is grouped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flame.bundles import validation
from flame.bundles import validation_tables as tables
from flame.bundles.cohorts import read_cohorts
from flame.bundles.federated_validation import gathered, run_config
from flame.bundles.model import Model, open_model
from flame.core.errors import BadInput
from flame.federation.task import Query
from flame.federation.tasks.registry import open_task


def sent(model: Model, table: Path, least: int) -> dict[str, Any]:
    """What the coordinator knows at the end; each hospital replies for itself."""
    config = run_config(model, ("D", "E"), "flare", least)
    task = open_task(config)
    cohorts = read_cohorts(model, table, with_outcome=True)

    def send(query: str, parameters: Any, *_: Any) -> list[Any]:
        return [task.reply([task.patients(c)], Query(query, parameters)) for c in cohorts]

    return task.prepare(send, {})  # type: ignore[arg-type]


@pytest.fixture
def two_hospitals(folder: Path, tmp_path: Path) -> Path:
    table = pd.read_csv(folder / "new.csv")
    table["centre"] = np.where(np.arange(len(table)) < 60, "D", "E")
    table.to_csv(tmp_path / "two.csv", index=False)
    return tmp_path / "two.csv"


@pytest.mark.parametrize("name", ["logistic", "cox"])
def test_without_groups_the_figures_are_the_pooled_ones(
    name: str, request: pytest.FixtureRequest, two_hospitals: Path
) -> None:
    model = open_model(request.getfixturevalue(name))
    direct = validation.gather(model, read_cohorts(model, two_hospitals, with_outcome=True), [])
    apart = gathered(model, sent(model, two_hospitals, least=1), simulated=True)
    ours, theirs = (
        tables.metrics(c).set_index(["hospital", "metric"]).value for c in (direct, apart)
    )
    common = [key for key in theirs.index if key in ours.index]
    assert len(common) >= 6
    assert np.allclose(ours[common], theirs[common], atol=1e-6)


@pytest.mark.parametrize("name", ["logistic", "cox"])
def test_every_group_has_enough_patients_and_figures_stay_close(
    name: str, request: pytest.FixtureRequest, two_hospitals: Path
) -> None:
    model = open_model(request.getfixturevalue(name))
    shared = sent(model, two_hospitals, least=5)
    for rows in shared.values():
        assert rows[:, 3].min() >= 5
    main = "AUC of response" if name == "logistic" else "C-index of survival"
    values = [
        tables.metrics(gathered(model, sent(model, two_hospitals, least), True))
        .set_index(["hospital", "metric"])
        .value["all hospitals", main]
        for least in (1, 5)
    ]
    assert values[0] == pytest.approx(values[1], abs=0.05)


def test_a_hospital_with_few_of_either_outcome_sends_nothing(
    logistic: Path, tmp_path: Path
) -> None:
    rows = [f"x{n},D,{55 + n},1,{900 if n else 30},{0 if n else 1}" for n in range(12)]
    (tmp_path / "t.csv").write_text("subject,centre,age,mgmt,days,died\n" + "\n".join(rows))
    model = open_model(logistic)
    shared = sent(model, tmp_path / "t.csv", least=5)
    assert not len(shared["rows/D"])
    with pytest.raises(BadInput, match="no hospital sent a group"):
        gathered(model, shared, simulated=True)


def test_the_task_brings_a_model_of_an_outcome_only(logistic: Path) -> None:
    model = open_model(logistic)
    config = run_config(model, ("D",), "flare", 5)
    task = open_task(config)
    other = replace(model, seeds=((model.seeds[0][0], {**model.shared, "beta": np.zeros(3)}),))
    assert task.probe
    assert task.probe != open_task(run_config(other, ("D",), "flare", 5)).probe
    with pytest.raises(BadInput, match="run flame validate"):
        open_task(replace(config, validation=type(config.validation)()))
