"""Logistic regression from sums over patients, which add up over centres to the pooled
likelihood.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from flame.models.regression.newton import Likelihood

Array = NDArray[np.float64]


def likelihood(x: Array, outcome: Array, beta: Array, offset: Array | float = 0.0) -> Likelihood:
    """Compute the log likelihood of a binary outcome: the sum of y z - log(1 + exp(z)).

    Args:
        x: covariates (n, p), with a column of ones for the intercept.
        outcome: outcome y (n,), 0 or 1.
        beta: coefficients (p,); the logit is z = x beta + offset.
        offset: number that is added to the logit, the same for all patients or one each (n,).

    Returns:
        Log likelihood, gradient (p,) and negative Hessian (p, p) at ``beta``.

    Example:
        >>> at = likelihood(np.ones((2, 1)), np.array([0.0, 1.0]), np.zeros(1))
        >>> round(at.value, 4), at.gradient, at.information  # 2 log(1/2)
        (-1.3863, array([0.]), array([[0.5]]))
    """
    logit = x @ beta + offset
    probability = expit(logit)
    return Likelihood(
        float(outcome @ logit - np.logaddexp(0, logit).sum()),
        x.T @ (outcome - probability),
        x.T @ (x * (probability * (1 - probability))[:, None]),
    )


def log_losses(predicted: Array, outcome: NDArray[np.floating]) -> Array:
    """Compute the log loss of each predicted probability.

    Probabilities are clipped to [1e-7, 1 - 1e-7], so that the loss stays finite.

    Args:
        predicted: predicted probability (n,) of the outcome.
        outcome: 1 with the outcome, 0 without (n,).

    Returns:
        Log loss (n,) in nats.

    Example:
        >>> log_losses(np.array([0.5, 0.8]), np.array([0.0, 1.0])).round(4)
        array([0.6931, 0.2231])
    """
    p = np.clip(predicted, 1e-7, 1 - 1e-7)
    return np.asarray(-np.log(np.where(outcome > 0.5, p, 1 - p)))
