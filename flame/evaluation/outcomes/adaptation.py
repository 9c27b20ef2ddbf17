"""Adapts a model to a new centre with few patients: unchanged, recalibrated or fine-tuned.

A model that was not trained at the centre is adapted on n of its patients, drawn repeatedly, and
tested on all its other patients.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from flame.evaluation.outcomes.out_of_fold import Predictor
from flame.federation.task import TrainRequest
from flame.federation.trainings import FEDERATED, Training
from flame.models.regression.discrimination import scored_auc
from flame.models.response.inputs import Inputs

Array = NDArray[np.float64]

SIZES, DRAWS, DRAWS_OF_IMAGES, ROUNDS = (5, 10, 20), 20, 3, 5
"""Numbers of patients to adapt on, draws of them (fewer with images, which take longer to train),
and rounds of fine-tuning. All were fixed before any result was known.
"""
AS_IT_IS, RECALIBRATED, TUNED = "as it is", "recalibrated", "fine-tuned"
"""Names of the ways to adapt."""


def adaptation(predictor: Predictor) -> pd.DataFrame:
    """Test adapted models at every centre, with the first seed of the run.

    A draw is skipped where the drawn or the other patients have one outcome only.

    Args:
        predictor: models of the run.

    Returns:
        One row for each centre, n, draw and way, with AUC and Brier score; empty with one centre.
    """
    rows = [row for inputs in predictor.inputs for row in _at(predictor, inputs)]
    return pd.DataFrame(rows, columns=["centre", "n", "draw", "way", "auc", "brier"])


def _at(predictor: Predictor, inputs: Inputs) -> Iterator[dict[str, Any]]:
    config = predictor.config
    others = tuple(c for c in config.data.centres if c != inputs.centre)
    known = inputs.take(inputs.labelled)
    if not others:
        return
    draws = DRAWS_OF_IMAGES if config.model.sequences else DRAWS
    seed, folds = config.training.seeds[0], config.training.folds
    unseen = Training(FEDERATED, others, seed, folds, left_out=inputs.centre)
    told = np.clip(predictor.of(unseen, known), 1e-6, 1 - 1e-6)
    outcome = known.response.astype(float)
    for n in SIZES:
        for draw in range(draws):
            order = np.random.default_rng([seed, n, draw]).permutation(len(outcome))
            own, rest = order[:n], order[n:]
            if min(map(len, (set(outcome[own]), set(outcome[rest])))) < 2:
                continue
            ways = {
                AS_IT_IS: told[rest],
                RECALIBRATED: recalibrated(told[own], outcome[own], told[rest]),
            }
            if predictor.task.learns_in_rounds and not config.privacy.is_private:
                ways[TUNED] = _tuned(predictor, unseen, known, own, draw)[rest]
            for way, p in ways.items():
                yield {
                    "centre": inputs.centre,
                    "n": n,
                    "draw": draw,
                    "way": way,
                    "auc": scored_auc(p, outcome[rest]).value,
                    "brier": float(np.mean((p - outcome[rest]) ** 2)),
                }


def recalibrated(told: Array, outcome: Array, others: Array) -> Array:
    """Recalibrate probabilities: p -> expit(a + b logit(p)), with a and b fitted to few patients.

    a and log(b) have standard normal priors, as few patients say little. b is positive, so the
    order of patients, and the AUC, do not change.

    Args:
        told: (n,) probabilities of the patients to fit on, inside (0, 1).
        outcome: (n,) 1 for responders, 0 for the others.
        others: (m,) probabilities to recalibrate, inside (0, 1).

    Returns:
        (m,) recalibrated probabilities.

    Example:
        >>> p = recalibrated(np.full(5, 0.5), np.ones(5), np.array([0.5]))
        >>> bool(p[0] > 0.5)
        True
    """
    x = logit(told)

    def loss(shift: Array) -> float:
        z = shift[0] + np.exp(shift[1]) * x
        likelihood = np.logaddexp(0, z) - outcome * z
        return float(likelihood.sum() + 0.5 * shift @ shift)

    intercept, slope = minimize(loss, np.zeros(2)).x
    return np.asarray(expit(intercept + np.exp(slope) * logit(others)))


def _tuned(
    predictor: Predictor, unseen: Training, known: Inputs, own: NDArray[np.intp], draw: int
) -> Array:
    """Return the predictions (n,) of the model after ROUNDS of training on ``own`` patients."""
    weights, shared = predictor.trained(unseen, known.centre)
    mine, rng = [known.take(own)], np.random.default_rng(draw)
    for number in range(1, ROUNDS + 1):
        trained = predictor.task.train(mine, TrainRequest(weights, shared, number, rng))
        weights = trained.weights
    found: Array = predictor.task.predict(known, weights, shared)
    return found
