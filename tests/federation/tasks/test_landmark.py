"""Landmark models: what is known by a day predicts what comes after it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flame.core.cohort import Cohort, Outcome, Patient
from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig, RegressionConfig, TrainingConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.landmark import (
    NO_PLAN,
    OVER_BEFORE,
    included,
    labelled,
    landmark_of,
    landmark_view,
)
from flame.federation.tasks.registry import open_task
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines import evaluate, train

COURSE = Treatment((Phase(Radiation.PHOTON, 60.0, 30),))  # 30 fractions end on day 39


def patient(name: str, days: float, died: bool = True, **changes: object) -> Patient:
    return replace(Patient(name, outcome=Outcome(None, days, died)), **changes)  # type: ignore[arg-type]


def config(landmark: float | None, **data: object) -> TrainConfig:
    source = DataConfig(table="t.csv", survival=("days", "died"), **data)  # type: ignore[arg-type]
    return TrainConfig(source, ResponseModelConfig(clinical=("age",), landmark_day=landmark))


def test_who_is_over_by_the_landmark_is_out_and_time_counts_from_it() -> None:
    cohort = Cohort(
        "A", (patient("before", 60), patient("on", 90), patient("after", 91, died=False)), False
    )
    found = included(cohort, config(90.0))
    assert [p.pseudonym for p in found.patients] == ["after"]
    assert found.patients[0].outcome == Outcome(None, 1.0, False)
    assert found.excluded == {OVER_BEFORE: 2}


def test_with_images_the_landmark_counts_from_the_last_fraction() -> None:
    images = replace(config(30.0), data=DataConfig(bids="b"))
    assert landmark_of(patient("p", 500, treatment=COURSE), images) == 39 + 30
    assert np.isnan(landmark_of(patient("p", 500), images))
    cohort = Cohort("A", (patient("p", 500), patient("q", 500, treatment=COURSE)), False)
    found = included(cohort, images)
    assert found.excluded == {NO_PLAN: 1}
    assert found.patients[0].outcome.survival_days == 500 - 69


def test_the_horizon_counts_from_the_start() -> None:
    cohort = labelled(Cohort("A", (patient("p", 380), patient("q", 350)), False), 365.0)
    found = included(cohort, config(90.0, horizon_days=365.0))
    assert [p.outcome.response for p in found.patients] == [True, False]
    with pytest.raises(BadInput, match="must be before"):
        config(365.0, horizon_days=365.0)


def test_patients_outside_a_definition_are_left_out_and_counted() -> None:
    """IDH-mutant tumours are no glioblastomas since WHO 2021; NOS ones are left out too."""
    people = tuple(
        patient(str(n), 500, clinical={"age": 60.0, "idh_mutant": value})
        for n, value in enumerate((0.0, 1.0, np.nan, 0.0))
    )
    found = included(Cohort("A", people, False), config(None, include={"idh_mutant": (0.0, 0.0)}))
    assert [p.pseudonym for p in found.patients] == ["0", "3"]
    assert found.excluded == {"idh_mutant unknown": 1, "idh_mutant outside": 1}


def test_a_view_sees_no_later_day() -> None:
    seen: list[float] = []

    def view(p: Patient) -> Patient:
        seen.append(p.landmark)
        return p

    images = replace(config(30.0), data=DataConfig(bids="b"))
    wrapped = landmark_view(images, view)
    assert wrapped is not None
    wrapped(patient("p", 500, treatment=COURSE))
    assert seen == [69]
    assert landmark_view(images, None) is None


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Survival depends on a marker that rises between the visits of day 0 and day 60."""
    rng = np.random.default_rng(0)
    rows, visits = [], []
    for centre in ("A", "B"):
        for n in range(150):
            name, rise = f"{centre}{n}", rng.normal()
            days = 61 + rng.exponential(300 * np.exp(-rise))
            rows.append((name, centre, round(rng.normal(60, 8)), round(days), 1))
            level = rng.normal(0, 2)
            visits += [(name, 0, level), (name, 60, level + rise), (name, 61, -99 * rise)]
    columns = ["patient_id", "centre", "age", "days", "died"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame(visits, columns=["patient_id", "day", "marker"]).to_csv(
        tmp_path / "visits.csv", index=False
    )
    return tmp_path


def run_of(tables: Path, landmark: float, clinical: tuple[str, ...]) -> TrainConfig:
    data = DataConfig(
        table=str(tables / "t.csv"),
        centres=("A", "B"),
        survival=("days", "died"),
        visits="visits.csv",
    )
    return TrainConfig(
        data,
        ResponseModelConfig(clinical=clinical, landmark_day=landmark),
        TrainingConfig(folds=2),
        task="survival",
        regression=RegressionConfig(penalizer=0.01),
    )


def test_a_landmark_tells_what_the_first_day_cannot(tables: Path, tmp_path: Path) -> None:
    """The change to day 60 drives survival; the visit of day 61 would tell its sign wrongly."""
    scores = {}
    for landmark in (0.0, 60.0):
        config = run_of(tables, landmark, ("visit.marker", "visit.marker change"))
        train.run(config, tmp_path / f"run-{landmark:g}")
        report = evaluate.run(tmp_path / f"run-{landmark:g}").report
        scores[landmark] = [
            s.value for s in report.scores if s.model == "federated" and s.metric == "c_index"
        ]
    assert max(scores[0.0]) < 0.6
    assert min(scores[60.0]) > 0.7


def test_features_of_visits_stop_at_the_landmark(tables: Path) -> None:
    config = run_of(tables, 60.0, ("visit.marker change", "visit.count"))
    cohort = load_cohort(config, "A")
    inputs = open_task(config).patients(cohort)
    assert np.array_equal(np.unique(inputs.clinical[:, 1]), [2.0])
    assert np.abs(inputs.clinical[:, 0]).max() < 10


def test_visits_need_their_table(tables: Path) -> None:
    config = run_of(tables, 60.0, ("visit.marker",))
    with pytest.raises(BadInput, match="need the table data.visits"):
        replace(config, data=replace(config.data, visits=""))
    missing = replace(config, data=replace(config.data, visits="none.csv"))
    with pytest.raises(BadInput, match=r"no table at .*none\.csv"):
        load_cohort(missing, "A")


def test_visits_of_other_ids_are_refused(tables: Path) -> None:
    path = tables / "visits.csv"
    path.write_text(path.read_text().replace("\nA", "\nX").replace("\nB", "\nY"))
    with pytest.raises(BadInput, match="has no visit of any patient of A"):
        load_cohort(run_of(tables, 60.0, ("visit.marker",)), "A")


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd", "a\\b.csv"])
def test_visits_lie_beside_the_table(name: str) -> None:
    with pytest.raises(BadInput, match="without a folder"):
        DataConfig(table="t.csv", visits=name)
