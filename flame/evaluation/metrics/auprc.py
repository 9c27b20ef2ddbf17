"""Area under the precision-recall curve."""

from flame.evaluation.metrics.estimates import auprc_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def auprc(tested: Tested) -> Measured:
    """The average precision, bootstrap over patients."""
    known = tested.of_known_response()
    estimate = auprc_estimate(known.response, known.predicted)
    return Measured(estimate, len(known.response), int(known.response.sum()))


METRICS.register("auprc")(
    Metric(
        "AUPRC of response",
        "Area under the precision-recall curve; without skill it is the share of responders.",
        measure=auprc,
    )
)
