"""Balanced accuracy: mean of sensitivity and specificity."""

from flame.evaluation.metrics.estimates import balanced_accuracy_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def balanced_accuracy(tested: Tested) -> Measured:
    """Compute the balanced accuracy of the response, with a bootstrap interval over patients.

    Balanced accuracy = (sensitivity + specificity) / 2, where predictions of at least
    ``tested.cuts`` count as a response.

    Args:
        tested: predictions and outcomes of the patients of one centre.

    Returns:
        The balanced accuracy from 0 to 1, with the numbers of patients and responders.

    Example:
        >>> import numpy as np
        >>> unknown, folds = np.full(4, np.nan), np.zeros((1, 4), int)
        >>> response, predicted = np.array([0.0, 0.0, 1.0, 1.0]), np.array([[0.1, 0.4, 0.4, 0.9]])
        >>> tested = Tested(response, unknown, unknown, predicted, folds, folds + 0.5, True)
        >>> balanced_accuracy(tested).estimate.value
        0.75
    """
    known = tested.of_known_response()
    estimate = balanced_accuracy_estimate(known.response, known.predicted >= known.cuts)
    return known.with_responders(estimate)


METRICS.register("balanced accuracy")(
    Metric(
        "Balanced accuracy",
        "Mean of sensitivity and specificity; threshold: the share of responders in training.",
        chance=0.5,
        measure=balanced_accuracy,
    )
)
