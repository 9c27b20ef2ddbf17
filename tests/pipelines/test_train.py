"""What a run makes of its configuration, on preprocessed images."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flame.core.config import build
from flame.core.errors import BadInput, FlameError
from flame.core.files import locked
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.io.bids import read_timepoint
from flame.models.response.inputs import ResponseModelConfig
from flame.pipelines import train
from flame.preprocessing.cohort.cohort import sessions


def test_features_of_images_are_measured(derivatives: Path, tmp_path: Path) -> None:
    shutil.copytree(derivatives, tmp_path / "bids" / "c")
    model = ResponseModelConfig(
        kind="logistic", clinical=("age", "radiomics.volume", "radiomics.dose")
    )
    config = train.resolve(TrainConfig(DataConfig(bids=str(tmp_path / "bids")), model))
    assert config.model.clinical == (
        "age",
        "core_ml",
        "whole_ml",
        "enhancing_ml",
        "dose_mean",
        "dose_d2",
        "dose_d98",
    )
    (patient,) = load_cohort(config, "c").patients
    root = tmp_path / "bids" / "c"
    session, day = sessions(root, patient.pseudonym)[0]
    first = read_timepoint(root, patient.pseudonym, session, day)
    assert first.tumour is not None
    assert patient.clinical["core_ml"] == pytest.approx(first.tumour.volume)
    assert np.isfinite(patient.clinical["age"])
    assert patient.clinical["dose_mean"] > 40
    assert patient.timepoints == ()  # what is measured is enough


def test_a_metric_that_does_not_exist_is_refused_before_training(
    toy: TrainConfig, tmp_path: Path
) -> None:
    config = replace(toy, evaluation=replace(toy.evaluation, metrics=("accurcy",)))
    with pytest.raises(BadInput, match="unknown metric 'accurcy'"):
        train.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_strategy_that_needs_more_sites_is_refused_before_training(
    toy: TrainConfig, tmp_path: Path
) -> None:
    # The toy has two centres; trainings that hold one out have a single site. Krum needs three.
    config = replace(toy, federation=replace(toy.federation, compare=("krum",)))
    with pytest.raises(BadInput, match=r"Krum\(num_byzantine=0, keep=1\) needs 3 sites, not 2"):
        train.run(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_second_process_does_not_write_into_a_run(toy: TrainConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with locked(run / ".lock"), pytest.raises(FlameError, match="another run is writing"):
        train.run(toy, run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baselines": {"same features": ("x",)}}, "give yours another name"),
        ({"federation": {"compare": ("local",)}}, "'local' is a kind of model, no strategy"),
        (
            {
                "model": {"clinical": ("x",), "missing": "mean"},
                "privacy": {"level": "patient", "noise": 1.0, "bounds": {"x": (90.0, 20.0)}},
            },
            "the first value has to be below the second",
        ),
    ],
)
def test_names_and_bounds_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    values = {"data": {"table": "t.csv"}, **changes}
    with pytest.raises(BadInput, match=message):
        build(TrainConfig, values, "here")
