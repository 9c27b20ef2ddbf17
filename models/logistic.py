"""Logistic regression from sums over patients: those of centres add up to the pooled likelihood."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from flame.models.newton import Likelihood

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
