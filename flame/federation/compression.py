"""Compression of messages: weights go out in 16 bits, and changes come back in 16 or 8 bits.

The coordinator adds the changes to weights that it holds in full precision. Rounding errors of the
weights sent therefore do not accumulate. In 16 bits a value is rounded to the nearest half
float. In 8 bits it is rounded up or down at random, which is right on average: with s the largest
absolute value of a block of 256, x is sent as floor(127 x / s + u), u uniform on [0, 1).

Reference:
    QSGD: Alistarh 2017, arXiv:1610.02132.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.arrays import moved
from flame.core.scores import Correction, Weights

BITS = (32, 16, 8)
"""Bits per value that ``federation.bits`` can choose; 32: no compression."""
_BLOCK = 256
"""Number of values that share a scale in 8 bits. Smaller arrays are sent in full precision."""


def is_rounded(bits: int) -> bool:
    """Return whether values are compressed.

    Args:
        bits: bits per value.

    Returns:
        True for 16 and 8 bits, False for 32.

    Example:
        >>> is_rounded(16), is_rounded(32)
        (True, False)
    """
    return bits < max(BITS)


def packed(message: Any, bits: int = 16, rng: np.random.Generator | None = None) -> Any:
    """Compress the large float arrays of a message.

    Args:
        message: arrays, plain values, and dictionaries, lists or tuples of them.
        bits: bits per value, 16 or 8.
        rng: generator of the random rounding, needed for 8 bits.

    Returns:
        The message, in which each float array of 256 values or more is a dictionary of its
        ``quantised`` values (flat), their ``scales`` and its ``shape``. Tuples become lists.

    Example:
        >>> message = packed({"w": np.linspace(-1, 1, 300, dtype=np.float32)})
        >>> message["w"]["quantised"].nbytes, unpacked(message)["w"].shape
        (600, (300,))
    """
    if isinstance(message, dict):
        return {name: packed(part, bits, rng) for name, part in message.items()}
    if isinstance(message, list | tuple):
        return [packed(part, bits, rng) for part in message]
    is_large = isinstance(message, np.ndarray) and message.size >= _BLOCK
    return _packed(message, bits, rng) if is_large and message.dtype.kind == "f" else message


def unpacked(message: Any) -> Any:
    """Invert ``packed``, up to rounding.

    Args:
        message: what ``packed`` returned.

    Returns:
        The message with its arrays; compressed ones come back in float32.
    """
    if isinstance(message, dict) and "quantised" in message:
        scales = np.asarray(message["scales"], np.float32)
        with np.errstate(invalid="ignore"):
            values = _blocks(np.asarray(message["quantised"], np.float32), len(scales)) * scales
        return values.ravel()[: message["quantised"].size].reshape(message["shape"])
    if isinstance(message, dict):
        return {name: unpacked(part) for name, part in message.items()}
    return [unpacked(part) for part in message] if isinstance(message, list | tuple) else message


def beginnings(weights: Weights, corrections: list[Correction]) -> list[Weights]:
    """Return the weights from which each model of a round starts, see ``Correction.start``.

    Args:
        weights: weights that the site was sent.
        corrections: the corrections of the round, at least one.

    Returns:
        ``weights``, then the starts of the corrections that have one, in order. ``weights`` is
        left out if the first correction has a start.

    Example:
        >>> w, other = [np.zeros(1)], [np.ones(1)]
        >>> models = beginnings(w, [Correction(), Correction(start=other)])
        >>> [float(model[0][0]) for model in models]
        [0.0, 1.0]
    """
    starts = [c.start for c in corrections if c.start]
    return starts if corrections[0].start else [weights, *starts]


def changes(began: list[Weights], ended: list[Weights]) -> list[Weights]:
    """Subtract the initial from the final weights of each model.

    Args:
        began: initial weights of each model.
        ended: final weights of each model, in the same order and shapes.

    Returns:
        The changes of each model, in the shapes of its weights.

    Example:
        >>> changes([[np.array([1.0])]], [[np.array([3.0])]])[0][0].tolist()
        [2.0]
    """
    return [[e - b for b, e in zip(*pair, strict=True)] for pair in zip(began, ended, strict=True)]


def changed(began: list[Weights], by: list[Weights]) -> list[Weights]:
    """Invert ``changes``: add changes to the initial weights.

    Args:
        began: initial weights of each model.
        by: changes of each model.

    Returns:
        The final weights of each model, in the types of ``began``.

    Raises:
        ValueError: the changes differ in shape from the weights.

    Example:
        >>> changed([[np.array([1.0])]], [[np.array([2.0])]])[0][0].tolist()
        [3.0]
    """
    if [[np.shape(w) for w in m] for m in began] != [[np.shape(c) for c in m] for m in by]:
        raise ValueError("the changes differ in shape from the weights")
    return [moved(b, c) for b, c in zip(began, by, strict=True)]


def _packed(array: NDArray[Any], bits: int, rng: np.random.Generator | None) -> dict[str, Any]:
    flat = array.astype(np.float32).ravel()
    blocks = _blocks(flat, -(-flat.size // _BLOCK) if bits == 8 else 1)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    scales = np.where(largest == 0, np.float32(1), largest)
    with np.errstate(invalid="ignore"):  # a value that is not finite makes the scale not finite
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
    """Reshape ``flat`` to ``count`` rows of equal length; the last row is padded with zeros."""
    if count == 1:
        return flat[None]
    return np.pad(flat, (0, count * _BLOCK - flat.size)).reshape(count, _BLOCK)
