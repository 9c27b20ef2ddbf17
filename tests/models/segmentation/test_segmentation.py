"""Tumour masks: the loss by hand, and a bright ball that is found."""

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.core.keras_import import keras
from flame.models.segmentation.cases import CHANNELS
from flame.models.segmentation.config import SegmentationConfig
from flame.models.segmentation.segmentation import SegmentationModel, mask_of, masked_loss
from tests.helpers.tumours import bright_ball

CONFIG = SegmentationConfig(patch=16, filters=4, batch_size=2, learning_rate=1e-2)


def test_loss_by_hand() -> None:
    # Two voxels of the first region known as 1 and 0, logits 0: entropy log 2, and soft Dice
    # 1 - (2 * 0.5 + 1) / (0.5 + 0.5 + 1 + 1). The second region is unknown and costs nothing.
    known = np.array([1, -1, 0, -1], np.float32).reshape(1, 2, 1, 1, 2)
    logits = np.array([0, 5, 0, -5], np.float32).reshape(1, 2, 1, 1, 2)
    found = float(masked_loss(*map(keras.ops.convert_to_tensor, (known, logits))))
    assert found == pytest.approx(np.log(2) * 2 / 3 + 1 - 2 / 3, abs=1e-5)


def test_finds_a_bright_ball_with_and_without_the_other_sequence() -> None:
    model = SegmentationModel(CONFIG)
    cases = [bright_ball(n) for n in range(4)]
    weights, loss, _ = model.fit(model.build(0), cases, 60, seed=0)
    again, loss_again, _ = model.fit(model.build(0), cases, 60, seed=0)
    assert loss == loss_again
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))
    tested = bright_ball(9)
    truth = tested.regions[..., 0] > 0
    without = tested.images.copy()
    without[..., CHANNELS.index("T1")] = 0
    for images in (tested.images, without):
        probability = model.probability(weights, images)
        assert probability.shape == (*truth.shape, 3)
        found = mask_of(probability[..., 0], 0.1)
        assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85


def test_small_islands_are_left_out_unless_they_are_all() -> None:
    probability = np.zeros((20, 20, 20), np.float32)
    probability[2:4, 2:4, 2:4] = 0.9
    assert mask_of(probability, 0.01).sum() == 8  # 0.08 ml, and nothing else
    probability[10:16, 10:16, 10:16] = 0.9
    assert mask_of(probability, 0.01).sum() == 216
    assert not mask_of(np.zeros((4, 4, 4), np.float32), 1.0).any()


def test_a_small_island_without_a_certain_core_is_left_out() -> None:
    """Voxels of 0.01 ml: a tumour of 5.12 ml, an unsure island of 3.43 ml, and a sure one."""
    probability = np.zeros((30, 30, 30), np.float32)
    probability[2:10, 2:10, 2:10] = 0.95
    probability[20:27, 20:27, 20:27] = 0.8
    probability[2:7, 20:25, 2:7] = 0.6
    probability[3:7, 21:25, 3:7] = 0.95  # 0.64 ml are certain
    found = mask_of(probability, 0.01)
    assert not found[20:27, 20:27, 20:27].any()
    assert found[2:7, 20:25, 2:7].all()
    assert found.sum() == 512 + 125
    assert mask_of(probability, 0.02)[20:27, 20:27, 20:27].all()  # 6.9 ml: a person has to see it


def test_patch_that_cannot_be_halved_says_so() -> None:
    with pytest.raises(BadInput, match="multiple of 8"):
        SegmentationModel(SegmentationConfig(patch=20))
