"""Standardisation of clinical features across centres, from sums alone.

Each centre summarises its patients, and the summaries are merged. The result equals that of pooled
data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of each of p features.

    Args:
        count: number of known values (p,).
        mean: mean (p,).
        sum_sq_dev: sum of squared deviations from the mean (p,).
    """

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    sum_sq_dev: NDArray[np.float64]


def summarise(features: NDArray[np.float64]) -> Moments:
    """Compute the moments of the features of one centre.

    Args:
        features: features (n, p); NaN is a missing value.

    Returns:
        Moments of the known values of each feature.
    """
    known = np.isfinite(features)
    count = known.sum(axis=0).astype(float)
    values = np.where(known, features, 0.0)
    mean = values.sum(axis=0) / np.maximum(count, 1)
    sum_sq_dev = (np.where(known, features - mean, 0.0) ** 2).sum(axis=0)
    return Moments(count, mean, sum_sq_dev)


def moments_in(arrays: Mapping[str, Any]) -> Moments:
    """Take the moments out of arrays by name, which may hold others too."""
    return Moments(arrays["count"], arrays["mean"], arrays["sum_sq_dev"])


def merge(summaries: list[Moments]) -> Moments:
    """Merge the moments of centres by the exact update of Chan 1979.

    Args:
        summaries: moments of one or more centres.

    Returns:
        Moments of all patients together.

    Example:
        >>> total = merge([summarise(np.array([[1.0], [3.0]])), summarise(np.array([[5.0]]))])
        >>> total.count, total.mean, total.sum_sq_dev
        (array([3.]), array([3.]), array([8.]))
    """
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
    """Convert features to z-scores.

    Args:
        features: features (n, p); NaN is a missing value.
        fitted: moments of the features.

    Returns:
        z-scores (n, p); 0 for a missing value and for a constant feature.

    Example:
        >>> features = np.array([[1.0], [3.0], [np.nan]])
        >>> standardise(features, summarise(features)).ravel()
        array([-1.,  1.,  0.])
    """
    return np.nan_to_num((features - fitted.mean) / spread(fitted))


def spread(fitted: Moments) -> NDArray[np.float64]:
    """Compute the standard deviation of each feature.

    Args:
        fitted: moments of the features.

    Returns:
        Standard deviation (p,); infinite for a constant feature.
    """
    deviation = np.sqrt(fitted.sum_sq_dev / np.maximum(fitted.count, 1))
    varies = deviation > 1e-9 * np.maximum(np.abs(fitted.mean), 1)  # less is rounding error
    return np.where(varies, deviation, np.inf)
