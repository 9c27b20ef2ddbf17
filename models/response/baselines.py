"""Plain baselines every learned model is shown beside."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
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
    """Cox regression of lifelines, without strata; NaN becomes the mean.

    Gives the negative log risk: the higher, the longer alive.
    """
    filled = _filled(features)
    known = pd.DataFrame(filled(features)).add_prefix("x")
    varying = known.loc[:, known.nunique() > 1].assign(days=days, died=died)
    model = CoxPHFitter(penalizer=penalizer).fit(varying, "days", "died")

    def scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
        tested = pd.DataFrame(filled(values)).add_prefix("x")
        return np.asarray(-tested[model.params_.index] @ model.params_)

    return scores


def _filled(features: NDArray[np.float64]) -> Probability:
    """What puts the means of ``features`` in place of NaN, without those that are never known."""
    usable = np.isfinite(features).any(axis=0)
    mean = np.nanmean(features[:, usable], axis=0)
    return lambda values: np.where(np.isfinite(values[:, usable]), values[:, usable], mean)
