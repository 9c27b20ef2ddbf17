"""The U-Net keeps shapes, and its modulation starts as none."""

import numpy as np
import pytest

from flame.core.keras_import import keras
from flame.models.segmentation.initial_weights import initial_weights
from flame.models.segmentation.unet import encoder, unet


@pytest.mark.parametrize("shape", [(16, 16, 16), (24, 8, 32)])
def test_logits_have_the_shape_of_the_image(shape: tuple[int, ...]) -> None:
    network = unet(2, 3, filters=4, levels=4)
    found = network.predict_on_batch(np.zeros((1, *shape, 2), np.float32))
    assert found.shape == (1, *shape, 3)
    assert found.dtype == np.float32


def test_modulation_starts_without_effect_and_can_have_one() -> None:
    network = unet(1, 1, filters=4, levels=3, condition=2)
    weights = initial_weights(network, 0)
    network.set_weights(weights)
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 8, 1)).astype(np.float32)

    def out(numbers: list[float]) -> np.ndarray:
        return np.asarray(network.predict_on_batch([image, np.array([numbers], np.float32)]))

    assert not out([1, -3]).any()  # a correction starts as none
    moved = [w + 0.1 for w in weights]
    network.set_weights(moved)
    assert not np.allclose(out([0, 0]), out([1, -3]))


def test_weights_depend_on_the_seed_alone() -> None:
    first, second = (initial_weights(unet(1, 1, 4, 3), 7) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    other = initial_weights(unet(1, 1, 4, 3), 8)
    assert not np.array_equal(first[0], other[0])


def test_the_encoder_is_the_way_down_of_the_unet() -> None:
    whole, down = unet(4, 3, filters=4), encoder(4, filters=4)
    weights = initial_weights(whole, 3)
    down.set_weights(weights[: len(down.weights)])
    whole.set_weights(weights)
    image = np.random.default_rng(0).normal(size=(1, 16, 16, 16, 4)).astype(np.float32)
    coarsest = keras.Model(whole.input, whole.layers[_coarsest(whole)].output)
    assert np.allclose(down(image), coarsest(image), atol=1e-5)


def _coarsest(network: keras.Model) -> int:
    """The last layer before anything is sampled up again."""
    kinds = [type(layer).__name__ for layer in network.layers]
    return kinds.index("UpSampling3D") - 1
