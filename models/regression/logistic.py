"""Logistic regression from sums over patients: those of centres add up to the pooled likelihood."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from flame.models.regression.newton import Likelihood

Array = NDArray[np.float64]


def likelihood(x: Array, outcome: Array, beta: Array, offset: Array | float = 0.0) -> Likelihood:
    """Log likelihood of ``outcome`` (n,; 0 or 1) given x (n, p), whose constant is a column.

    ``offset`` (n,) is added to the logit.
    """
    logit = x @ beta + offset
    probability = expit(logit)
    return Likelihood(
        float(outcome @ logit - np.logaddexp(0, logit).sum()),
        x.T @ (outcome - probability),
        x.T @ (x * (probability * (1 - probability))[:, None]),
    )


def log_losses(told: Array, outcome: NDArray[np.floating]) -> Array:
    """Log loss (n,) of each probability of an outcome; of 0 and 1 that of 1e-7."""
    p = np.clip(told, 1e-7, 1 - 1e-7)
    return np.asarray(-np.log(np.where(outcome > 0.5, p, 1 - p)))
