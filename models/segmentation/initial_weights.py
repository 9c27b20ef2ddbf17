"""Initial weights that depend on the seed alone, so that every site creates the same ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Weights

_SLICE = 2**20
"""Numbers that are drawn at a time, so that a large array has no copy in float64."""
ZERO = "modulation"
"""Name prefix of layers whose kernel starts at zero, so that their modulation initially has no
effect.
"""


def initial_weights(network: Any, seed: int) -> Weights:
    """Draw initial weights: Glorot-uniform kernels, normalisation scales of 1, zeros elsewhere.

    A kernel follows U(-a, a) with a = sqrt(6 / (r (in + out))), where r is the size of the
    receptive field.

    Args:
        network: built Keras model.
        seed: seed of the random numbers.

    Returns:
        Arrays in the order and with the shapes of ``network.weights``.

    Example:
        >>> from types import SimpleNamespace as Fake
        >>> scale = Fake(name="gamma", path="norm/gamma", shape=(2,))
        >>> offset = Fake(name="beta", path="norm/beta", shape=(1,))
        >>> [w.tolist() for w in initial_weights(Fake(weights=[scale, offset]), seed=0)]
        [[1.0, 1.0], [0.0]]
    """
    rng = np.random.default_rng(seed)
    weights: Weights = []
    for variable in network.weights:
        shape = tuple(variable.shape)
        if variable.name == "kernel" and f"/{ZERO}" not in f"/{variable.path}":
            receptive = int(np.prod(shape[:-2]))
            limit = np.sqrt(6 / (receptive * (shape[-2] + shape[-1])))
            weights.append(_uniform(rng, limit, shape))
        else:
            fill = 1.0 if variable.name == "gamma" else 0.0
            weights.append(np.full(shape, fill, np.float32))
    return weights


def _uniform(rng: np.random.Generator, limit: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    drawn = np.empty(int(np.prod(shape)), np.float32)
    for start in range(0, drawn.size, _SLICE):
        part = drawn[start : start + _SLICE]
        part[:] = rng.uniform(-limit, limit, part.size)
    return drawn.reshape(shape)
