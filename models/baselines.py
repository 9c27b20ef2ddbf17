"""Plain baselines every learned model is shown beside."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

Probability = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def prevalence(features: NDArray[np.float64], responses: NDArray[np.float32]) -> Probability:
    """Predict the share of responders in the training data for everyone."""
    share = float(np.mean(responses))
    return lambda tested: np.full(len(tested), share)


def logistic(
    features: NDArray[np.float64], responses: NDArray[np.float32], c: float = 0.1
) -> Probability:
    """Standardised logistic regression with inverse penalty ``c``; NaN becomes the mean.

    Falls back to prevalence where only one class, or no feature, is there to learn from.
    """
    usable = np.isfinite(features).any(axis=0)
    if len(np.unique(responses)) < 2 or not usable.any():
        return prevalence(features, responses)
    mean = np.nanmean(features[:, usable], axis=0)

    def filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.isfinite(values[:, usable]), values[:, usable], mean)

    scaler = StandardScaler().fit(filled(features))
    model = LogisticRegression(C=c, max_iter=5000)
    model.fit(scaler.transform(filled(features)), responses)
    return lambda values: np.asarray(model.predict_proba(scaler.transform(filled(values)))[:, 1])
