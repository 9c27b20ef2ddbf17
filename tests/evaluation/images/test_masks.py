"""Scores of masks by hand, with a task that draws a mask of its own."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.evaluation.images.masks import mask_scores
from flame.evaluation.metrics.out_of_sample import OutOfSample
from flame.federation.tasks.segmentation import SegmentationTask
from flame.federation.trainings import Training
from flame.models.segmentation.case_table import Cases
from flame.models.segmentation.cases import REGIONS, SegmentationCase


def drawn(*rows: int) -> np.ndarray:
    """A mask of one column of voxels, at these rows."""
    mask = np.zeros((8, 3, 3), bool)
    mask[list(rows), 1, 1] = True
    return mask


def run(task: object) -> object:
    folder = SimpleNamespace(
        path=Path("run"),
        model=lambda training: SimpleNamespace(state=SimpleNamespace(weights=[]), shared={}),
    )
    return SimpleNamespace(task=task, folder=folder)


def part() -> OutOfSample:
    regions = np.full((8, 3, 3, len(REGIONS)), -1, np.float32)
    regions[..., 0] = drawn(2, 3)
    case = SegmentationCase(np.zeros((8, 3, 3, 4), np.float32), regions)
    patients = Cases("a", ("p1", "p2"), ((case,), ()))
    training = Training("federated", ("a", "b"), 3, 2)
    return OutOfSample("federated", patients, training, np.array([0, 1]))


def test_dice_and_distance_in_mm_of_regions_that_are_drawn() -> None:
    task = MagicMock(spec=SegmentationTask)
    task.settings = SimpleNamespace(voxel_mm=2.0)
    task.masks.return_value = dict.fromkeys(REGIONS, drawn(3, 4))
    table = mask_scores(run(task), part())  # type: ignore[arg-type]
    # One of two voxels agrees: Dice 2 * 1 / 4. The surface distances are 0 and 2 mm, whose 95 %
    # quantile is 1.9.
    assert table.to_dict("records") == [
        {
            "model": "federated",
            "patient": "p1",
            "seed": 3,
            "region": REGIONS[0],
            "dice": 0.5,
            "hd95": pytest.approx(1.9),
        }
    ]


def test_a_run_of_another_task_is_refused() -> None:
    other = MagicMock()
    other.name = "evolution"
    with pytest.raises(BadInput, match="run is a run on evolution; give one on segmentation"):
        mask_scores(run(other), part())  # type: ignore[arg-type]
