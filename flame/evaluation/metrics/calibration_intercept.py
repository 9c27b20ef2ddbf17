"""Calibration intercept: whether probabilities are too high or too low on average."""

from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def calibration_intercept(tested: Tested) -> Measured:
    """Compute the calibration intercept of probabilities, averaged over seeds.

    The intercept is a in logit P(response) = a + logit(predicted); 0 is ideal.

    Args:
        tested: predictions and outcomes of the patients of one centre.

    Returns:
        The intercept in log odds with a Wald interval, and the numbers of patients and responders.

    Example:
        >>> import numpy as np
        >>> unknown, folds = np.full(4, np.nan), np.zeros((1, 4), int)
        >>> response, predicted = np.array([0.0, 0.0, 1.0, 1.0]), np.array([[0.2, 0.2, 0.2, 0.2]])
        >>> tested = Tested(response, unknown, unknown, predicted, folds, folds + 0.5, True)
        >>> round(calibration_intercept(tested).estimate.value, 3)  # logit(0.5) - logit(0.2)
        1.386
    """
    known = tested.of_known_response()
    _, estimate = known.calibration
    return known.with_responders(estimate)


METRICS.register("calibration intercept")(
    Metric(
        "Calibration intercept",
        "0 is ideal; a negative value means that the outcome is rarer than predicted.",
        bounded=False,
        measure=calibration_intercept,
    )
)
