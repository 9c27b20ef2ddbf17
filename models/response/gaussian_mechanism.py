"""What differential privacy does to numbers: clipped in length, normal noise added.

The Gaussian mechanism (Dwork 2014, doi:10.1561/0400000042, appendix A).
"""

import numpy as np

from flame.core.scores import Weights


def clipped(arrays: Weights, limit: float) -> Weights:
    """``arrays`` scaled down so that their joint Euclidean norm is ``limit`` at most."""
    norm = float(np.sqrt(sum(float((np.asarray(a, np.float64) ** 2).sum()) for a in arrays)))
    scale = min(1.0, limit / norm) if norm else 1.0
    return [np.asarray(a, np.float64) * scale for a in arrays]


def noised(arrays: Weights, deviation: float, rng: np.random.Generator) -> Weights:
    """``arrays`` with normal noise of this standard deviation on every number."""
    return [a + rng.normal(0.0, deviation, np.shape(a)) for a in arrays]


def steps_of(count: int, size: int, epochs: int) -> int:
    """Steps that ``epochs`` over ``count`` patients take."""
    return epochs * -(-count // size)
