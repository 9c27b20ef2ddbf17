"""Standardisation of clinical features across centres, from sums alone.

A population stage: each centre summarises, the summaries merge, and the fitted stage is exactly
the one that pooled data would give.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Moments:
    """Per feature: count of known values, mean and sum of squared deviations."""

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    sum_sq_dev: NDArray[np.float64]


def summarise(features: NDArray[np.float64]) -> Moments:
    """Return the moments of ``features`` (patients, features); NaN is a missing value."""
    known = np.isfinite(features)
    count = known.sum(axis=0).astype(float)
    values = np.where(known, features, 0.0)
    mean = values.sum(axis=0) / np.maximum(count, 1)
    sum_sq_dev = (np.where(known, features - mean, 0.0) ** 2).sum(axis=0)
    return Moments(count, mean, sum_sq_dev)


def merge(summaries: list[Moments]) -> Moments:
    """Return the moments of all data together (Chan 1979: exact, no cancellation)."""
    total, *rest = summaries
    for part in rest:
        count = total.count + part.count
        share = part.count / np.maximum(count, 1)
        shift = part.mean - total.mean
        total = Moments(
            count,
            total.mean + shift * share,
            total.sum_sq_dev + part.sum_sq_dev + shift**2 * total.count * share,
        )
    return total


def standardise(features: NDArray[np.float64], fitted: Moments) -> NDArray[np.float64]:
    """Return z-scores; a missing value becomes 0 (the mean), so does a constant feature."""
    return np.nan_to_num((features - fitted.mean) / spread(fitted))


def spread(fitted: Moments) -> NDArray[np.float64]:
    """Standard deviation of each feature; infinite where it is constant."""
    found = np.sqrt(fitted.sum_sq_dev / np.maximum(fitted.count, 1))
    varies = found > 1e-9 * np.maximum(np.abs(fitted.mean), 1)  # else rounding of a constant
    return np.where(varies, found, np.inf)
