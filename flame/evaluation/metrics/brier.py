"""Brier score: squared error of the predicted probability."""

from flame.evaluation.metrics.estimates import brier_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def brier(tested: Tested) -> Measured:
    """Compute the Brier score of the response, with a bootstrap interval over patients.

    Brier score = mean over patients of (probability - response)^2, averaged over seeds.

    Args:
        tested: predictions and outcomes of the patients of one centre.

    Returns:
        The Brier score from 0 to 1, lower is better, with the numbers of patients and responders.

    Reference:
        Brier 1950.

    Example:
        >>> import numpy as np
        >>> unknown, folds = np.full(4, np.nan), np.zeros((1, 4), int)
        >>> response, predicted = np.array([0.0, 0.0, 1.0, 1.0]), np.array([[0.1, 0.6, 0.4, 0.9]])
        >>> tested = Tested(response, unknown, unknown, predicted, folds, folds + 0.5, True)
        >>> round(brier(tested).estimate.value, 3)
        0.185
    """
    known = tested.of_known_response()
    estimate = brier_estimate(known.response, known.predicted)
    return known.with_responders(estimate)


METRICS.register("brier")(
    Metric(
        "Brier score",
        "Mean squared error of the probability; lower is better.",
        higher=False,
        margin=0.02,
        measure=brier,
    )
)
