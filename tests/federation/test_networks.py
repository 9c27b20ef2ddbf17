"""Networks that Keras alone reads predict what FLAME does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from flame.core.imaging import STRUCTURAL
from flame.core.keras_import import keras
from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.federation.config import TrainConfig
from flame.federation.sections import DataConfig
from flame.federation.tasks.cohorts import load_cohort
from flame.federation.tasks.registry import open_task
from flame.federation.trainings import FEDERATED, Training
from flame.models.response.inputs import ResponseModelConfig
from flame.models.response.network import ResponseModel
from flame.pipelines import train

NAME = "federated.seed-0.all"


def test_keras_alone_predicts_the_same(toy: TrainConfig, tmp_path: Path) -> None:
    config = replace(toy, model=replace(toy.model, hidden=6))
    train.run(config, tmp_path / "run")
    network = keras.models.load_model(tmp_path / "run" / "networks" / f"{NAME}.keras")
    scales = pd.read_csv(tmp_path / "run" / "networks" / "inputs.csv")
    own = scales[scales.training == NAME].set_index("feature")
    task = open_task(config)
    inputs = [task.patients(load_cohort(config, c)) for c in ("a", "b")]
    x = np.nan_to_num((inputs[0].clinical - own["mean"].to_numpy()) / own["sd"].to_numpy())
    found = expit(np.asarray(network([x.astype(np.float32)]))[:, 0])
    federation = Training(FEDERATED, ("a", "b"), 0, config.training.folds)
    expected = Predictor(config, tmp_path / "run", inputs).of(federation, inputs[0])
    assert np.allclose(found, expected, atol=1e-5)
    assert list(own.index) == list(config.model.clinical_columns)


def test_an_encoder_reads_a_channel_for_every_sequence() -> None:
    model = ResponseModelConfig(sequences=("T1C",), encoder="some/run")
    config = TrainConfig(DataConfig(bids="anywhere"), model)
    trained = ResponseModel(model, "adam", 0.01).build((16, 16, 16, len(STRUCTURAL)), 0)
    shapes = [w.shape for w in open_task(config).network().get_weights()]
    assert shapes == [w.shape for w in trained]


def test_a_regression_has_no_network(toy: TrainConfig, tmp_path: Path) -> None:
    train.run(replace(toy, model=replace(toy.model, kind="logistic", l2=0.1)), tmp_path / "run")
    assert not list((tmp_path / "run" / "networks").glob("*.keras"))
    assert not (tmp_path / "run" / "networks" / "inputs.csv").exists()
