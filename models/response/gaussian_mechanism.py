"""Gaussian mechanism of differential privacy: clipping and noise.

Reference:
    Dwork 2014, doi:10.1561/0400000042, appendix A.
"""

import numpy as np

from flame.core.scores import Weights


def clipped(arrays: Weights, limit: float) -> Weights:
    """Scale arrays down so that their joint Euclidean norm is at most ``limit``.

    Each array is multiplied by min(1, limit / norm).

    Args:
        arrays: arrays of any shape.
        limit: largest norm.

    Returns:
        Scaled arrays of the same shapes.

    Example:
        >>> clipped([np.array([3.0, 4.0])], limit=1.0)
        [array([0.6, 0.8])]
    """
    norm = float(np.sqrt(sum(float((np.asarray(a, np.float64) ** 2).sum()) for a in arrays)))
    scale = min(1.0, limit / norm) if norm else 1.0
    return [np.asarray(a, np.float64) * scale for a in arrays]


def noised(arrays: Weights, deviation: float, rng: np.random.Generator) -> Weights:
    """Add independent normal noise to every number.

    Args:
        arrays: arrays of any shape.
        deviation: standard deviation of the noise.
        rng: random numbers.

    Returns:
        Noised arrays of the same shapes.
    """
    return [a + rng.normal(0.0, deviation, np.shape(a)) for a in arrays]


def steps_of(count: int, size: int, epochs: int) -> int:
    """Compute the number of steps of a training: epochs times ceil(count / size).

    Args:
        count: number of patients.
        size: expected number of patients per batch.
        epochs: number of epochs.

    Returns:
        Number of steps.

    Example:
        >>> steps_of(count=10, size=4, epochs=2)
        6
    """
    return epochs * -(-count // size)
