"""Arithmetic on the arrays of a model, in float64, and their digest."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.scores import Weights

_SLICE = 2**20
"""Numbers that are summed at a time, so that a large array has no copy in float64."""


def mean(arrays: Sequence[Weights], weights: Sequence[float], like: Weights) -> Weights:
    """Return the weighted sum of the arrays of several models, computed in float64.

    Args:
        arrays: arrays of each model.
        weights: weight of each model; they sum to 1 for a mean.
        like: arrays whose shapes and types the result has.

    Returns:
        One array for each of ``like``, in its order.

    Example:
        >>> mean([[np.array([1.0])], [np.array([5.0])]], [0.75, 0.25], [np.zeros(1)])
        [array([2.])]
    """
    return [_weighted_sum([a[i] for a in arrays], weights, layer) for i, layer in enumerate(like)]


def _weighted_sum(
    arrays: Sequence[NDArray[Any]], weights: Sequence[float], like: NDArray[Any]
) -> NDArray[Any]:
    """Return the sum in the shape and type of ``like``; float64 is used for one slice at a time."""
    total = np.empty(like.size, like.dtype)
    flat = [np.asarray(array).reshape(-1) for array in arrays]
    for start in range(0, like.size, _SLICE):
        part = slice(start, start + _SLICE)
        terms = (np.asarray(f[part], np.float64) * w for f, w in zip(flat, weights, strict=True))
        total[part] = sum(terms, np.zeros(total[part].shape))
    return total.reshape(like.shape)


def moved(weights: Weights, by: Weights, rate: float = 1.0) -> Weights:
    """Return ``weights`` plus ``rate`` times ``by``, in the types of ``weights``.

    Args:
        weights: arrays of a model.
        by: arrays of the same shapes.
        rate: factor of ``by``.

    Returns:
        New arrays, computed in float64 before the types of ``weights`` are restored.

    Example:
        >>> moved([np.array([1.0])], [np.array([4.0])], 0.5)
        [array([3.])]
    """
    return [
        (np.asarray(w, np.float64) + rate * np.asarray(b, np.float64)).astype(w.dtype)
        for w, b in zip(weights, by, strict=True)
    ]


def all_finite(weights: Weights) -> bool:
    """Check that no number is NaN or infinite, without a copy of any array.

    Args:
        weights: arrays of a model.

    Returns:
        True if all are finite.

    Example:
        >>> all_finite([np.ones(2)]), all_finite([np.array([1.0, np.nan])])
        (True, False)
    """
    return all(np.isfinite([w.min(), w.max()]).all() for w in map(np.asarray, weights) if w.size)


def flat(weights: Weights) -> np.ndarray:
    """Flatten all arrays of a model into one vector.

    Args:
        weights: arrays of a model, with p numbers in all.

    Returns:
        The numbers (p,) in float64, array after array in C order.
    """
    return np.concatenate([np.zeros(0), *(np.asarray(w, np.float64).ravel() for w in weights)])


def shaped(vector: np.ndarray, like: Weights) -> Weights:
    """Cut a vector into the arrays of a model; the inverse of ``flat``.

    Args:
        vector: numbers (p,).
        like: arrays whose shapes and types the result has, with p numbers in all.

    Returns:
        One array for each of ``like``, in its order.

    Example:
        >>> shaped(np.array([1.0, 2.0, 3.0]), [np.zeros(1), np.zeros((1, 2))])
        [array([1.]), array([[2., 3.]])]
    """
    ends = np.cumsum([w.size for w in like])
    parts = np.split(vector, ends[:-1]) if like else []
    return [p.reshape(w.shape).astype(w.dtype) for p, w in zip(parts, like, strict=True)]


def digest(value: Any, secret: bytes = b"") -> str:
    """Compute the SHA-256 of arrays and plain values, in any nesting.

    Args:
        value: arrays, plain values, and dictionaries, lists or tuples of them.
        secret: bytes that come first.

    Returns:
        Digest of every part with its type, shape and place, in hexadecimal digits. The order of the
        names of a dictionary does not matter.

    Raises:
        BadInput: a value is neither a number nor a text.

    Example:
        >>> digest({"a": 1, "b": [2.0]}) == digest({"b": [2.0], "a": 1})
        True
        >>> digest([np.zeros(2)]) == digest([np.zeros((2, 1))])
        False
    """
    found = hashlib.sha256(secret)
    for part in _parts(value):
        found.update(part)
    return found.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a value, each part after its kind, without a copy of an array."""
    if isinstance(value, dict):
        value = [part for name in sorted(value) for part in (name, value[name])]
    if isinstance(value, list | tuple):
        yield f"[{len(value)}]".encode()
        for part in value:
            yield from _parts(part)
    elif value is None or isinstance(value, bytes):
        yield f"{type(value).__name__}{value!r}".encode()
    else:
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise BadInput(f"a {type(value).__name__} has no digest: send numbers and texts")
        yield f"{array.dtype}{np.shape(value)}".encode()
        yield array.reshape(-1).view(np.uint8).data
