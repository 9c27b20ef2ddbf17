"""Mean of sensitivity and specificity."""

from flame.evaluation.metrics.estimates import balanced_accuracy_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def balanced_accuracy(tested: Tested) -> Measured:
    """Sensitivity and specificity at the cut, averaged; bootstrap over patients."""
    known = tested.of_known_response()
    estimate = balanced_accuracy_estimate(known.response, known.predicted >= known.cuts)
    return Measured(estimate, len(known.response), int(known.response.sum()))


METRICS.register("balanced accuracy")(
    Metric(
        "Balanced accuracy",
        "Mean of sensitivity and specificity, cut at the share of responders in training.",
        chance=0.5,
        measure=balanced_accuracy,
    )
)
