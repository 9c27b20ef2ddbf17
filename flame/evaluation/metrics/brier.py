"""Squared error of the probability."""

from flame.evaluation.metrics.estimates import brier_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def brier(tested: Tested) -> Measured:
    """The Brier score (Brier 1950), bootstrap over patients."""
    known = tested.of_known_response()
    estimate = brier_estimate(known.response, known.predicted)
    return Measured(estimate, len(known.response), int(known.response.sum()))


METRICS.register("brier")(
    Metric(
        "Brier score", "Squared error of the probability.", higher=False, margin=0.02, measure=brier
    )
)
