"""Discrete Gaussian mechanism of differential privacy: clipping, rounding and noise.

Noise in floating point tells the value below it by its lowest bits (Mironov 2012). Values are
therefore rounded to a grid, and whole numbers of its units are added: discrete Gaussian noise. Its
Renyi divergences are at most those of the normal distribution of the same parameter.

Reference:
    Canonne, Kamath, Steinke 2020, arXiv:2004.00010; Mironov 2012, doi:10.1145/2382196.2382264.
"""

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from flame.core.scores import Weights

_UNITS = 2**16
"""Units of the grid in a standard deviation of the noise."""
_TAIL = 10
"""Standard deviations that the table of the noise covers; 1e-23 of it lies beyond."""


def clipped(arrays: Weights, limit: float) -> Weights:
    """Scale arrays down so that their joint Euclidean norm is at most ``limit``.

    Each array is multiplied by min(1, limit / norm). Arrays that are not finite become 0, as they
    would show through any noise.

    Args:
        arrays: arrays of any shape.
        limit: largest norm.

    Returns:
        Scaled arrays of the same shapes.

    Example:
        >>> clipped([np.array([3.0, 4.0])], limit=1.0)
        [array([0.6, 0.8])]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        norm = float(np.sqrt(sum(float((np.asarray(a, np.float64) ** 2).sum()) for a in arrays)))
    if not np.isfinite(norm):
        return [np.zeros(np.shape(a)) for a in arrays]
    scale = min(1.0, limit / norm) if norm else 1.0
    return [np.asarray(a, np.float64) * scale for a in arrays]


def limit_before_rounding(limit: float, deviation: float, count: int) -> float:
    """Return the norm to which arrays are clipped, so that rounding them moves no sum further.

    Rounding moves each of ``count`` numbers by half a unit at most, and the difference of two
    rounded sums by sqrt(count) units more than that of the sums.

    Args:
        limit: largest norm of the part of a patient or centre, after rounding.
        deviation: standard deviation of the noise.
        count: number of values.

    Returns:
        Largest norm before rounding.

    Raises:
        ValueError: the arrays are too long for noise as strong as this.
    """
    smaller = limit - deviation / _UNITS * np.sqrt(count) / 2
    if not smaller > 0:
        raise ValueError(
            "too many weights for noise that strong: the grid is coarser than the clip"
        )
    return float(smaller)


def noised(arrays: Weights, deviation: float, rng: np.random.Generator) -> Weights:
    """Round every number to a grid of deviation / 65536, and add discrete Gaussian noise.

    The noise is expanded by SHAKE-256 from 32 random bytes, so that none of it foretells the rest.
    Each number is drawn by inversion from a table of 64-bit probabilities. Its distribution differs
    from the exact one by less than 1e-13 in total variation.

    Args:
        arrays: arrays of any shape.
        deviation: standard deviation of the noise; 0: the arrays are returned unchanged.
        rng: random numbers.

    Returns:
        Arrays of multiples of the unit, of the same shapes.
    """
    if not deviation:
        return [np.asarray(a, np.float64) for a in arrays]
    unit = deviation / _UNITS
    return [(np.rint(a / unit) + _discrete_gaussian(np.shape(a), rng)) * unit for a in arrays]


def _discrete_gaussian(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw whole numbers k with probability proportional to exp(-k^2 / (2 65536^2))."""
    count = int(np.prod(shape))
    words = np.frombuffer(hashlib.shake_256(rng.bytes(32)).digest(8 * count), np.uint64)
    drawn = np.searchsorted(_thresholds(), words, side="right") - _TAIL * _UNITS
    return drawn.astype(np.float64).reshape(shape)


@cache
def _thresholds() -> NDArray[np.uint64]:
    """Return the cumulative probabilities of all but the largest number, times 2^64."""
    k = np.arange(-_TAIL * _UNITS, _TAIL * _UNITS + 1, dtype=np.longdouble)
    below = np.cumsum(np.exp(-((k / _UNITS) ** 2) / 2))
    scaled = np.floor(below[:-1] / below[-1] * np.longdouble(2) ** 64)
    return np.asarray(np.minimum(scaled, np.longdouble(2) ** 64 - 1), np.uint64)


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
