"""Calibration slope: whether predictions are too extreme."""

from flame.evaluation.metrics.estimates import averaged, survival_slope
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def calibration_slope(tested: Tested) -> Measured:
    """Compute the calibration slope, averaged over seeds.

    For probabilities, the slope is b in logit P(response) = a + b logit(predicted). For survival
    scores, it is b in the Cox model h(t) = h0(t) exp(-b score). 1 is ideal.

    Args:
        tested: predictions and outcomes of the patients of one centre.

    Returns:
        The slope with a Wald interval, and the numbers of patients and of responders or deaths.

    Example:
        >>> import numpy as np
        >>> response, unknown = np.array([1.0, 0, 0, 0, 0, 1, 1, 1, 1, 0]), np.full(10, np.nan)
        >>> predicted, folds = np.repeat([[0.2, 0.8]], 5, axis=1), np.zeros((1, 10), int)
        >>> tested = Tested(response, unknown, unknown, predicted, folds, folds + 0.5, True)
        >>> round(calibration_slope(tested).estimate.value, 3)
        1.0
    """
    if not tested.is_probability:
        followed = tested.of_known_survival()
        slope = averaged(
            [survival_slope(followed.days, followed.died, score) for score in followed.predicted]
        )
        return followed.with_deaths(slope)
    known = tested.of_known_response()
    estimate, _ = known.calibration
    return known.with_responders(estimate)


METRICS.register("calibration slope")(
    Metric(
        "Calibration slope",
        "1 is ideal; below 1, predictions are too extreme.",
        bounded=False,
        measure=calibration_slope,
    )
)
