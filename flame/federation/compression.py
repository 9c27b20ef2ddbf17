"""Fewer bytes on the wire: weights go out in 16 bits, and what sites changed comes back in 16 or 8.

The coordinator adds changes to the weights that it holds in full, so that what rounding loses on
the way out does not pile up. Changes in 8 bits are rounded up or down at random, right on average
(QSGD, Alistarh 2017, arXiv:1610.02132), against the largest of each block; in 16 bits to the
nearest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.arrays import moved
from flame.core.scores import Correction, Weights

BITS = (32, 16, 8)
_BLOCK = 256
"""Values that share a scale in 8 bits; arrays of fewer stay as they are."""


def is_rounded(bits: int) -> bool:
    """Whether so many bits are fewer than weights have."""
    return bits < max(BITS)


def packed(told: Any, bits: int = 16, rng: np.random.Generator | None = None) -> Any:
    """A message whose large arrays of floats have ``bits`` a value; 8 bits need ``rng``."""
    if isinstance(told, dict):
        return {name: packed(part, bits, rng) for name, part in told.items()}
    if isinstance(told, list | tuple):
        return [packed(part, bits, rng) for part in told]
    is_large = isinstance(told, np.ndarray) and told.size >= _BLOCK
    return _packed(told, bits, rng) if is_large and told.dtype.kind == "f" else told


def unpacked(told: Any) -> Any:
    """The inverse of ``packed``, up to rounding; arrays come back in float32."""
    if isinstance(told, dict) and "quantised" in told:
        scales = np.asarray(told["scales"], np.float32)
        with np.errstate(invalid="ignore"):
            values = _blocks(np.asarray(told["quantised"], np.float32), len(scales)) * scales
        return values.ravel()[: told["quantised"].size].reshape(told["shape"])
    if isinstance(told, dict):
        return {name: unpacked(part) for name, part in told.items()}
    return [unpacked(part) for part in told] if isinstance(told, list | tuple) else told


def beginnings(weights: Weights, corrections: list[Correction]) -> list[Weights]:
    """The weights from which each model of a round begins, see ``Correction.start``."""
    starts = [c.start for c in corrections if c.start]
    return starts if corrections[0].start else [weights, *starts]


def changes(began: list[Weights], ended: list[Weights]) -> list[Weights]:
    """How far each model moved."""
    return [[e - b for b, e in zip(*pair, strict=True)] for pair in zip(began, ended, strict=True)]


def changed(began: list[Weights], by: list[Weights]) -> list[Weights]:
    """The inverse of ``changes``, in the types of ``began``; ValueError for other shapes."""
    if [[np.shape(w) for w in m] for m in began] != [[np.shape(c) for c in m] for m in by]:
        raise ValueError("changes of other shapes than the weights")
    return [moved(b, c) for b, c in zip(began, by, strict=True)]


def _packed(array: NDArray[Any], bits: int, rng: np.random.Generator | None) -> dict[str, Any]:
    flat = array.astype(np.float32).ravel()
    blocks = _blocks(flat, -(-flat.size // _BLOCK) if bits == 8 else 1)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    scales = np.where(largest == 0, np.float32(1), largest)
    with np.errstate(invalid="ignore"):  # what is not finite has such a scale, and is found by it
        values = blocks / scales
        if bits == 16:
            values = values.astype(np.float16)
        else:
            assert rng is not None
            scales = scales / np.float32(127)
            values = np.floor(127 * values + rng.random(values.shape, np.float32))
            values = np.minimum(values, 127).astype(np.int8)
    return {
        "quantised": values.ravel()[: flat.size],
        "scales": scales,
        "shape": list(array.shape),
    }


def _blocks(flat: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """``flat`` in ``count`` rows of one length, the last filled up with zeros."""
    if count == 1:
        return flat[None]
    return np.pad(flat, (0, count * _BLOCK - flat.size)).reshape(count, _BLOCK)
