"""Arithmetic on the arrays of a model, in float64."""

from collections.abc import Sequence

import numpy as np

from flame.core.scores import Weights


def mean(arrays: Sequence[Weights], weights: Sequence[float], like: Weights) -> Weights:
    """Weighted sum of ``arrays`` in float64, in the types of ``like``."""
    return [
        sum(
            (np.asarray(a[i], np.float64) * w for a, w in zip(arrays, weights, strict=True)),
            np.zeros(layer.shape),
        ).astype(layer.dtype)
        for i, layer in enumerate(like)
    ]


def moved(weights: Weights, by: Weights, rate: float = 1.0) -> Weights:
    """``weights`` plus ``rate`` times ``by``, in their types."""
    return [
        (np.asarray(w, np.float64) + rate * np.asarray(b, np.float64)).astype(w.dtype)
        for w, b in zip(weights, by, strict=True)
    ]


def flat(weights: Weights) -> np.ndarray:
    """All arrays as one vector of float64."""
    return np.concatenate([np.zeros(0), *(np.asarray(w, np.float64).ravel() for w in weights)])


def shaped(vector: np.ndarray, like: Weights) -> Weights:
    """The inverse of ``flat``, in the shapes and types of ``like``."""
    ends = np.cumsum([w.size for w in like])
    parts = np.split(vector, ends[:-1]) if like else []
    return [p.reshape(w.shape).astype(w.dtype) for p, w in zip(parts, like, strict=True)]
