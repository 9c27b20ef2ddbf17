"""The compiled network against numerical derivatives and against its own plain form."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flame.streams.networks.base import Adam, Network, log_loss
from flame.streams.networks.mlp import MLP

RNG = np.random.default_rng(3)


def case(classes: int, nodes: int = 3, rows: int = 7) -> tuple[MLP, ...]:
    net = MLP(4, 5, classes)
    parameters = np.stack([net.start(np.random.default_rng(k)) for k in range(nodes)])
    x, y = RNG.normal(size=(nodes, rows, 4)), RNG.integers(0, classes, (nodes, rows))
    return net, parameters, x, y, RNG.random((nodes, rows))  # type: ignore[return-value]


@pytest.mark.parametrize("classes", [2, 4])
def test_gradient_is_the_numerical_derivative_of_the_weighted_mean_log_loss(classes: int) -> None:
    net, parameters, x, y, weight = case(classes)

    def loss(p: np.ndarray) -> np.ndarray:
        return (log_loss(net.logits(p, x), y) * weight).sum(axis=1) / weight.sum(axis=1)

    found = net.loss_gradient(parameters, x, y, weight)
    for i in range(net.size):
        step = np.zeros(net.size)
        step[i] = 1e-6
        slope = (loss(parameters + step) - loss(parameters - step)) / 2e-6
        assert np.allclose(found[:, i], slope, atol=1e-6)


@pytest.mark.parametrize(("classes", "frozen"), [(2, 0), (4, 0), (4, 25)])
def test_compiled_descent_is_that_of_any_network(classes: int, frozen: int) -> None:
    net, parameters, x, y, weight = case(classes)
    weight[0, 2:] = 0
    weight[1] = 0
    one, other = (Adam(parameters.shape, 0.05, frozen) for _ in range(2))
    for _ in range(2):
        fast = net.descend(parameters, x, y, weight, one, 3)
    for _ in range(2):
        plain = Network.descend(net, parameters, x, y, weight, other, 3)
    assert np.allclose(fast, plain, atol=1e-12)
    assert np.array_equal(fast[1], parameters[1])  # a node without rows stays
    assert np.array_equal(fast[:, :frozen], parameters[:, :frozen])
    assert (fast[0, frozen:] != parameters[0, frozen:]).any()
    assert one.steps == other.steps == 6


LEARNED = """
import numpy as np
from flame.streams.networks.mlp import MLP
from flame.streams.networks.base import Adam
net, rng = MLP(14, 20), np.random.default_rng(0)
p, x = np.tile(net.start(rng), (3, 1)), rng.normal(size=(3, 500, 14))
y, rows = x[..., 0] > x[..., 1] * x[..., 2], np.ones((3, 500))
q = net.descend(p, x, y, rows, Adam(p.shape, 0.02), 200)
print(q.tobytes().hex())
"""


def test_code_from_a_cache_learns_the_same_to_the_last_bit(tmp_path: Path) -> None:
    told = [
        subprocess.run(
            [sys.executable, "-c", LEARNED],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    assert list(tmp_path.rglob("*.nbc"))
    assert told[0] == told[1]


def test_the_head_is_what_follows_the_representation() -> None:
    net, parameters, x, _, _ = case(4)
    other = parameters.copy()
    other[:, -net.head :] = 0
    assert net.head == (5 + 1) * 3
    assert not net.logits(other, x).any()


def test_logits_by_hand() -> None:
    net = MLP(1, 2, 2)  # weights 1 and -1, biases 0 and 1, out 2 and 3, bias 0.5
    parameters = np.array([[1.0, -1.0, 0.0, 1.0, 2.0, 3.0, 0.5]])
    x = np.array([[[2.0], [-2.0]]])  # units (2, 0) and (0, 3)
    assert np.allclose(net.logits(parameters, x)[0, :, 0], [4.5, 9.5])
    assert np.allclose(net.probability(parameters, x)[0, 0, 1], 1 / (1 + np.exp(-4.5)))


def test_adam_follows_the_paper() -> None:
    adam = Adam((1, 1), 0.1)
    first = adam.step(np.zeros((1, 1)), np.full((1, 1), 4.0))
    assert np.allclose(first, -0.1)  # the first step is the rate, whatever the gradient
    second = adam.step(first, np.full((1, 1), 2.0))
    mean, square = (0.9 * 0.4 + 0.2) / 0.19, (0.999 * 0.016 + 0.004) / (1 - 0.999**2)
    assert np.allclose(second, -0.1 - 0.1 * mean / np.sqrt(square))
