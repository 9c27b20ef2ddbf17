"""Refits a probability to the patients of a hospital, by cross-validation."""

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import FlameError
from flame.models.regression import logistic
from flame.models.regression.newton import Penalty, maximise

Array = NDArray[np.float64]

FOLDS = 10
"""Folds of the cross-validation; a patient is predicted by a fit to the other folds."""


def recalibrated(response: Array, probability: Array, slope: bool, seed: int = 0) -> Array:
    """Refit the constant, or the constant and the slope, of a probability on its log odds.

    Args:
        response: (n,) 1 for responders, 0 for the others, NaN where unknown.
        probability: (n,) predicted probabilities.
        slope: whether the slope is refitted, too.
        seed: seed of the folds.

    Returns:
        Probabilities (n,), each from a fit to the other folds; NaN where one has no finite fit.
        Those of patients of unknown response come from a fit to all others.

    Reference:
        Steyerberg 2004, doi:10.1002/sim.1844.
    """
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    logit = np.log(clipped / (1 - clipped))
    known = np.flatnonzero(np.isfinite(response))
    known = known[np.lexsort((response[known], logit[known]))]  # folds do not depend on row order
    fold = np.full(len(response), -1)
    fold[known] = np.random.default_rng(seed).permutation(len(known)) % FOLDS
    refitted = np.full(len(response), np.nan)
    for held_out in np.unique(fold):
        train = known[fold[known] != held_out]
        line = _fit(response[train], logit[train], slope)
        rows = fold == held_out
        refitted[rows] = 1 / (1 + np.exp(-(line[0] + line[1] * logit[rows])))
    return refitted


def _fit(response: Array, logit: Array, slope: bool) -> tuple[float, float]:
    """Return constant and slope on the log odds; NaN without a finite fit."""
    ones = np.ones((len(response), 1))
    x = np.column_stack([ones, logit]) if slope else ones
    offset: Array | float = 0.0 if slope else logit
    free = Penalty(np.zeros(x.shape[1]), np.zeros(x.shape[1]))
    try:
        (beta,), _ = maximise(
            lambda betas: [logistic.likelihood(x, response, b, offset) for b in betas.values()],
            [free],
        )
    except FlameError:
        return float("nan"), float("nan")
    assert beta is not None
    return float(beta[0]), float(beta[1]) if slope else 1.0
