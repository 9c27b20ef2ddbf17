"""Whether predictions are too high or too low on the whole."""

from flame.evaluation.metrics.estimates import calibration_estimates
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def calibration_intercept(tested: Tested) -> Measured:
    """Intercept of a logistic regression of the response on the predicted logit as offset."""
    known = tested.of_known_response()
    _, estimate = calibration_estimates(known.response, known.mean)
    return Measured(estimate, len(known.response), int(known.response.sum()))


METRICS.register("calibration intercept")(
    Metric(
        "Calibration intercept",
        "0 is ideal; below, the outcome is rarer than predicted.",
        bounded=False,
        measure=calibration_intercept,
    )
)
