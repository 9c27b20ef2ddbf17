"""Initial weights that depend on a seed alone, so that every site can make the same."""

from typing import Any

import numpy as np

from flame.core.scores import Weights

ZERO = "modulation"
"""Layers whose name begins so start at zero: a modulation that changes nothing yet."""


def initial_weights(network: Any, seed: int) -> Weights:
    """Glorot-uniform kernels, ones for normalisation scales, zeros elsewhere, from ``seed``."""
    rng = np.random.default_rng(seed)
    weights: Weights = []
    for variable in network.weights:
        shape = tuple(variable.shape)
        if variable.name == "kernel" and f"/{ZERO}" not in f"/{variable.path}":
            receptive = int(np.prod(shape[:-2]))
            limit = np.sqrt(6 / (receptive * (shape[-2] + shape[-1])))
            weights.append(rng.uniform(-limit, limit, shape).astype(np.float32))
        else:
            fill = 1.0 if variable.name == "gamma" else 0.0
            weights.append(np.full(shape, fill, np.float32))
    return weights
