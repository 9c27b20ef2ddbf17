"""Simple baselines beside which every learned model is reported."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

Probability = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Maps features (n, p) to one prediction for each patient (n,)."""


def prevalence(features: NDArray[np.float64], responses: NDArray[np.float32]) -> Probability:
    """Fit a predictor that returns the share of responders in the training data for every patient.

    Args:
        features: training features (n, p); not used.
        responses: 1 for responders, 0 for others (n,).

    Returns:
        Predictor of the probability of response.

    Example:
        >>> predict = prevalence(np.zeros((4, 1)), np.array([1, 0, 0, 0], np.float32))
        >>> predict(np.zeros((2, 1)))
        array([0.25, 0.25])
    """
    share = float(np.mean(responses))
    return lambda tested: np.full(len(tested), share)


def logistic(
    features: NDArray[np.float64], responses: NDArray[np.float32], c: float = 0.1
) -> Probability:
    """Fit a ridge-penalised logistic regression on standardised features; NaN becomes the mean.

    Without two classes, or without any known feature, it falls back to ``prevalence``.

    Args:
        features: training features (n, p).
        responses: 1 for responders, 0 for others (n,).
        c: inverse of the penalty.

    Returns:
        Predictor of the probability of response.

    Example:
        >>> predict = logistic(np.array([[-1.0], [1.0]]), np.array([0, 1], np.float32))
        >>> predict(np.array([[0.0], [np.nan]])).round(4)  # the mean, known or not
        array([0.5, 0.5])
    """
    filled = _filled(features)
    if len(np.unique(responses)) < 2 or not filled(features).size:
        return prevalence(features, responses)
    scaler = StandardScaler().fit(filled(features))
    model = LogisticRegression(C=c, max_iter=5000)
    model.fit(scaler.transform(filled(features)), responses)
    return lambda values: np.asarray(model.predict_proba(scaler.transform(filled(values)))[:, 1])


def cox(
    features: NDArray[np.float64],
    days: NDArray[np.float64],
    died: NDArray[np.float64],
    penalizer: float = 0.1,
) -> Probability:
    """Fit a ridge-penalised Cox regression without strata (lifelines); NaN becomes the mean.

    Args:
        features: training features (n, p); constant features are ignored.
        days: last known day (n,).
        died: 1 for death, 0 for censoring (n,).
        penalizer: weight of the penalty.

    Returns:
        Predictor of the negative log risk, which is higher for longer survival.

    Example:
        >>> age = np.array([[50.0], [60.0], [70.0], [80.0]])
        >>> predict = cox(age, np.array([400.0, 200.0, 300.0, 100.0]), np.ones(4))
        >>> young, old = predict(np.array([[50.0], [80.0]]))
        >>> bool(young > old)
        True
    """
    filled = _filled(features)
    known = pd.DataFrame(filled(features)).add_prefix("x")
    varying = known.loc[:, known.nunique() > 1].assign(days=days, died=died)
    model = CoxPHFitter(penalizer=penalizer).fit(varying, "days", "died")

    def scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the negative log risk (m,) of patients with features (m, p)."""
        tested = pd.DataFrame(filled(values)).add_prefix("x")
        return np.asarray(-tested[model.params_.index] @ model.params_)

    return scores


def _filled(features: NDArray[np.float64]) -> Probability:
    """Return a function that drops features without known values and replaces NaN by the mean."""
    usable = np.isfinite(features).any(axis=0)
    mean = np.nanmean(features[:, usable], axis=0)
    return lambda values: np.where(np.isfinite(values[:, usable]), values[:, usable], mean)
