"""Whether predictions are too extreme."""

from flame.evaluation.metrics.estimates import calibration_estimates, survival_slope
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def calibration_slope(tested: Tested) -> Measured:
    """Slope of a logistic regression on the predicted logit, or of a Cox model on the log risk."""
    if not tested.is_probability:
        followed = tested.of_known_survival()
        slope = survival_slope(followed.days, followed.died, followed.mean)
        return Measured(slope, len(followed.days), int(followed.died.sum()))
    known = tested.of_known_response()
    estimate, _ = calibration_estimates(known.response, known.mean)
    return Measured(estimate, len(known.response), int(known.response.sum()))


METRICS.register("calibration slope")(
    Metric(
        "Calibration slope",
        "1 is ideal; below, predictions are too extreme.",
        bounded=False,
        measure=calibration_slope,
    )
)
