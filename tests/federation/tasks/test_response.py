"""The response network goes on from the masks of a segmentation run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.checkpoint import Checkpoint, checkpoint_path, save_checkpoint
from flame.federation.config import TrainConfig
from flame.federation.run_files import config_text
from flame.federation.sections import DataConfig
from flame.federation.strategies.strategy import State
from flame.federation.task import TrainRequest
from flame.federation.tasks.network import NetworkResponseTask
from flame.models.response.inputs import Inputs, ResponseModelConfig
from flame.models.segmentation.config import SegmentationConfig
from flame.models.segmentation.segmentation import SegmentationModel

SMALL = SegmentationConfig(voxel_mm=6.0, patch=16, filters=4)


def patients() -> Inputs:
    empty, none = np.zeros((2, 0), np.float32), np.full(2, np.nan)
    image = np.random.default_rng(0).normal(size=(2, 16, 16, 16, 4)).astype(np.float32)
    return Inputs(
        "c", ("p", "q"), image, empty.astype(float), empty, np.array([1, 0], np.float32), none, none
    )


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    trained = TrainConfig(
        DataConfig(bids="b", centres=("c",)), task="segmentation", segmentation=SMALL
    )
    folder = tmp_path / "masks"
    path = checkpoint_path(folder, "federated.seed-0.all")
    save_checkpoint(path, Checkpoint(20, State(SegmentationModel(SMALL).build(5)), {}, [], True))
    (folder / "run.toml").write_text(config_text(trained))
    return folder


def test_training_starts_from_the_encoder_of_the_masks(masks: Path) -> None:
    model = ResponseModelConfig(sequences=("T1C",), filters=4, encoder=str(masks))
    config = TrainConfig(DataConfig(bids="b"), model)
    task = NetworkResponseTask(config)
    start = task.initial_weights(patients(), 0)
    expected = SegmentationModel(SMALL).build(5)[0]
    assert any(w.shape == expected.shape and np.array_equal(w, expected) for w in start)
    shared = {n: np.zeros(0) for n in ("count", "mean", "sum_sq_dev")}
    rng = np.random.default_rng(0)
    after, loss, steps = task.train([patients()], TrainRequest(start, shared, 1, rng))
    assert steps == 1
    assert np.isfinite(loss)
    assert not all(np.array_equal(a, b) for a, b in zip(start, after, strict=True))
    assert task.predict(patients(), after, shared).shape == (2,)


def test_a_run_that_does_not_fit(masks: Path, tmp_path: Path) -> None:
    model = ResponseModelConfig(sequences=("T1C",), filters=4, encoder=str(masks), voxel_mm=3.0)
    with pytest.raises(BadInput, match=r"learned at 6 mm; .*\(now 3\)"):
        NetworkResponseTask(TrainConfig(DataConfig(bids="b"), model)).initial_weights(patients(), 0)
    nowhere = replace(model, encoder=str(tmp_path / "no"))
    elsewhere = NetworkResponseTask(TrainConfig(DataConfig(bids="b"), nowhere))
    with pytest.raises(BadInput, match="is not a run folder of flame train"):
        elsewhere.initial_weights(patients(), 0)
    with pytest.raises(BadInput, match="model.encoder reads images"):
        TrainConfig(DataConfig(bids="b"), replace(model, sequences=()))
