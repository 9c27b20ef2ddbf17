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

# The next four values were fixed before any result was known.
SIZES = (5, 10, 20)
"""Numbers of patients to adapt on."""
DRAWS = 20
"""Random draws of these patients."""
DRAWS_OF_IMAGES = 3
"""Draws for models that read images; fewer, because these models take longer to train."""
ROUNDS = 5
"""Rounds of fine-tuning."""
AS_IT_IS = "as it is"
"""Way to adapt: none; the model is used unchanged."""
RECALIBRATED = "recalibrated"
"""Way to adapt: intercept and slope of the probabilities are fitted, see ``recalibrated``."""
TUNED = "fine-tuned"
"""Way to adapt: the weights are trained further."""
_CLIP = 1e-6
"""Distance of clipped probabilities from 0 and 1, so that their logit is finite."""


def adaptation(predictor: Predictor) -> pd.DataFrame:
    """Test adapted models at every centre, with the first seed of the run.

    A draw is skipped if all drawn patients or all other patients have the same outcome.

    Args:
        predictor: models of the run.

    Returns:
        One row for each centre, n, draw and way, with AUC and Brier score; empty with one centre.
    """
    rows = [row for inputs in predictor.inputs for row in _at(predictor, inputs)]
    return pd.DataFrame(rows, columns=["centre", "n", "draw", "way", "auc", "brier"])


def _at(predictor: Predictor, inputs: Inputs) -> Iterator[dict[str, Any]]:
    config = predictor.config
    training_centres = tuple(c for c in config.data.centres if c != inputs.centre)
    known = inputs.take(inputs.labelled)
    if not training_centres:
        return
    draws = DRAWS_OF_IMAGES if config.model.sequences else DRAWS
    seed = config.training.seeds[0]
    folds = config.training.folds
    unseen = Training(FEDERATED, training_centres, seed, folds, left_out=inputs.centre)
    predicted = np.clip(predictor.of(unseen, known), _CLIP, 1 - _CLIP)
    outcome = known.response.astype(float)
    for n in SIZES:
        for draw in range(draws):
            order = np.random.default_rng([seed, n, draw]).permutation(len(outcome))
            drawn = order[:n]
            tested = order[n:]
            if min(map(len, (set(outcome[drawn]), set(outcome[tested])))) < 2:
                continue
            ways = {
                AS_IT_IS: predicted[tested],
                RECALIBRATED: recalibrated(predicted[drawn], outcome[drawn], predicted[tested]),
            }
            if predictor.task.learns_in_rounds and not config.privacy.is_private:
                ways[TUNED] = _tuned(predictor, unseen, known, drawn, draw)[tested]
            for way, probability in ways.items():
                yield {
                    "centre": inputs.centre,
                    "n": n,
                    "draw": draw,
                    "way": way,
                    "auc": scored_auc(probability, outcome[tested]).value,
                    "brier": float(np.mean((probability - outcome[tested]) ** 2)),
                }


def recalibrated(predicted: Array, outcome: Array, others: Array) -> Array:
    """Recalibrate probabilities: p -> expit(a + b logit(p)), with a and b fitted to few patients.

    a and log(b) have standard normal priors, because few patients carry little information. b is
    positive. Therefore the order of the patients and the AUC do not change.

    Args:
        predicted: (n,) probabilities of the patients to fit on, inside (0, 1).
        outcome: (n,) 1 for responders, 0 for the others.
        others: (m,) probabilities to recalibrate, inside (0, 1).

    Returns:
        (m,) recalibrated probabilities.

    Example:
        >>> p = recalibrated(np.full(5, 0.5), np.ones(5), np.array([0.5]))
        >>> bool(p[0] > 0.5)
        True
    """
    x = logit(predicted)

    def loss(shift: Array) -> float:
        z = shift[0] + np.exp(shift[1]) * x
        likelihood = np.logaddexp(0, z) - outcome * z
        return float(likelihood.sum() + 0.5 * shift @ shift)

    intercept, slope = minimize(loss, np.zeros(2)).x
    return np.asarray(expit(intercept + np.exp(slope) * logit(others)))


def _tuned(
    predictor: Predictor, unseen: Training, known: Inputs, drawn: NDArray[np.intp], draw: int
) -> Array:
    """Return the predictions (n,) of the model after ROUNDS of training on the drawn patients."""
    weights, shared = predictor.trained(unseen, known.centre)
    patients = [known.take(drawn)]
    rng = np.random.default_rng(draw)
    for number in range(1, ROUNDS + 1):
        trained = predictor.task.train(patients, TrainRequest(weights, shared, number, rng))
        weights = trained.weights
    predicted: Array = predictor.task.predict(known, weights, shared)
    return predicted
