"""Corrected gradients of a real network are those of the formula."""

import numpy as np
import pytest

from flame.core.keras_import import keras
from flame.core.scores import Correction
from flame.models.segmentation.local_optimizer import LocalOptimizer

RATE = 0.1
X, Y = np.array([[1.0, 2.0], [3.0, -1.0]], np.float32), np.array([[1.0], [0.0]], np.float32)
START = [np.array([[0.5], [-0.5]], np.float32), np.array([0.2], np.float32)]


@pytest.fixture
def network() -> keras.Model:
    inputs = keras.Input((2,))
    made = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    made.compile(keras.optimizers.SGD(RATE), "mse", jit_compile=False)
    return made


def gradients(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Of the mean squared error, by hand."""
    away = X @ weights[0] + weights[1] - Y
    return [X.T @ away, away.sum(axis=0)]


def trained(network: keras.Model, how: Correction | None, steps: int) -> list[np.ndarray]:
    LocalOptimizer(network).restart(START, how)
    for _ in range(steps):
        network.train_on_batch(X, Y)
    return network.get_weights()


def by_hand(how: Correction, steps: int) -> list[np.ndarray]:
    at, centre = START, how.towards or START
    for _ in range(steps):
        linear = how.linear or [np.zeros_like(w) for w in at]
        at = [
            w - RATE * (g + a + how.proximal * (w - c))
            for w, g, a, c in zip(at, gradients(at), linear, centre, strict=True)
        ]
    return at


@pytest.mark.parametrize(
    "how",
    [
        Correction(),
        Correction(linear=[np.array([[1.0], [-2.0]]), np.array([0.5])]),
        Correction(proximal=0.7),
        Correction(
            linear=[np.ones((2, 1)), np.ones(1)],
            proximal=2.0,
            towards=[np.zeros((2, 1)), np.ones(1)],
        ),
    ],
)
def test_three_steps_are_those_of_the_formula(network: keras.Model, how: Correction) -> None:
    for found, expected in zip(trained(network, how, 3), by_hand(how, 3), strict=True):
        assert found == pytest.approx(expected, abs=1e-5)


def test_frozen_arrays_do_not_move(network: keras.Model) -> None:
    kernel, bias = trained(network, Correction(frozen=[True, False]), 2)
    assert np.array_equal(kernel, START[0])
    assert not np.array_equal(bias, START[1])


def test_a_correction_is_forgotten_at_the_next_start(network: keras.Model) -> None:
    local = LocalOptimizer(network)
    local.restart(START, Correction(proximal=5.0, linear=[np.ones((2, 1)), np.ones(1)]))
    network.train_on_batch(X, Y)
    local.restart(START)
    network.train_on_batch(X, Y)
    for found, expected in zip(network.get_weights(), by_hand(Correction(), 1), strict=True):
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_correction_after_plain_steps_is_not_missed(network: keras.Model) -> None:
    """The step that was compiled first knows no correction."""
    local = LocalOptimizer(network)
    local.restart(START)
    network.train_on_batch(X, Y)
    how = Correction(proximal=0.7, linear=[np.ones((2, 1)), np.ones(1)])
    local.restart(START, how)
    for _ in range(2):
        network.train_on_batch(X, Y)
    for found, expected in zip(network.get_weights(), by_hand(how, 2), strict=True):
        assert found == pytest.approx(expected, abs=1e-5)
