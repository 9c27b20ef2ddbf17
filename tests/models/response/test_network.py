"""The response model with every combination of branches."""

import itertools

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.federation.sections import OPTIMIZERS
from flame.models.response.inputs import Inputs, ResponseModelConfig
from flame.models.response.network import ResponseModel
from flame.models.segmentation.initial_weights import initial_weights
from flame.models.segmentation.unet import unet

SHAPE = (16, 12, 16, 2)


def inputs(count: int = 12) -> Inputs:
    rng = np.random.default_rng(0)
    response = np.arange(count) % 2
    image = (
        rng.normal(size=(count, *SHAPE)).astype(np.float32) + response[:, None, None, None, None]
    )
    none = np.full(count, np.nan)
    return Inputs(
        "c",
        tuple(map(str, range(count))),
        image,
        rng.normal(size=(count, 3)),
        rng.random((count, 5)).astype(np.float32),
        response.astype(np.float32),
        none,
        none,
    )


def config(image: bool, clinical: bool, treatment: bool) -> ResponseModelConfig:
    return ResponseModelConfig(
        sequences=("T1C", "FLAIR") if image else (),
        clinical=("a", "b", "c") if clinical else (),
        treatment=treatment,
        filters=4,
    )


BRANCHES = [b for b in itertools.product((True, False), repeat=3) if any(b)]


@pytest.mark.parametrize("branches", BRANCHES)
def test_training_is_repeatable_and_learns(branches: tuple[bool, bool, bool]) -> None:
    data = inputs()
    clinical = data.clinical.astype(np.float32)
    model = ResponseModel(config(*branches), "adam", 0.01)
    start = model.build(SHAPE, seed=1)
    fit = [
        model.fit(start, data, clinical, 15, 4, np.random.default_rng(5)) for _ in range(2)
    ]  # the second fit must not remember the first
    for a, b in zip(fit[0][0], fit[1][0], strict=True):
        assert np.array_equal(a, b)
    assert fit[0][1] == fit[1][1]
    first_loss = model.fit(start, data, clinical, 1, 4, np.random.default_rng(5))[1]
    assert fit[0][1] < first_loss
    probability = model.probability(fit[0][0], data, clinical)
    assert probability.shape == (12,)
    assert ((probability >= 0) & (probability <= 1)).all()


def test_weights_depend_on_the_seed_alone() -> None:
    one, other = (ResponseModel(config(True, True, True), "adam", 0.01) for _ in range(2))
    same = zip(one.build(SHAPE, 3), other.build(SHAPE, 3), strict=True)
    assert all(np.array_equal(a, b) for a, b in same)
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(one.build(SHAPE, 3), one.build(SHAPE, 4), strict=True)
    )


def test_radiotherapy_changes_the_prediction() -> None:
    data = inputs()
    clinical = data.clinical.astype(np.float32)
    model = ResponseModel(config(True, False, True), "adam", 0.01)
    weights, *_ = model.fit(model.build(SHAPE, 0), data, clinical, 2, 4, np.random.default_rng(0))
    swapped = Inputs(
        data.centre,
        data.pseudonyms,
        data.image,
        data.clinical,
        data.treatment[:, ::-1],
        data.response,
        data.survival_days,
        data.died,
    )
    before, after = (model.probability(weights, d, clinical) for d in (data, swapped))
    assert np.abs(before - after).max() > 1e-3


def test_no_branch_is_refused() -> None:
    with pytest.raises(BadInput, match="no input"):
        ResponseModel(ResponseModelConfig(), "adam", 0.01).build(SHAPE, 0)


def test_an_encoder_starts_as_that_of_the_masks() -> None:
    settings = ResponseModelConfig(sequences=("T1C",), encoder="runs/masks", filters=4)
    model = ResponseModel(settings, "adam", 0.01)
    start = model.build((16, 16, 16, 4), 0)
    masks = initial_weights(unet(4, 3, filters=4), 7)
    found = model.pretrained(start, masks)
    reading = model.network.get_layer("encoder")
    model.network.set_weights(found)
    assert all(np.array_equal(a, b) for a, b in zip(reading.get_weights(), masks, strict=False))
    changed = [not np.array_equal(a, b) for a, b in zip(start, found, strict=True)]
    assert 0 < sum(changed) < len(start)  # the rest stays as it was drawn
    with pytest.raises(BadInput, match=r"set model.filters to segmentation.filters"):
        model.pretrained(start, initial_weights(unet(4, 3, filters=8), 7))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_keras_knows_every_optimizer_that_a_configuration_may_name(name: str) -> None:
    model = ResponseModel(ResponseModelConfig(clinical=("age",)), name, 0.01)
    assert type(model.optimizer).__name__.lower() == name
