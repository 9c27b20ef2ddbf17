"""Area under the ROC curve, over pairs of patients that one model predicted."""

from flame.evaluation.metrics.estimates import auc_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def auc(tested: Tested) -> Measured:
    """The AUC with the interval of Hanley and McNeil, folds and seeds taken into account."""
    known = tested.of_known_response()
    estimate = auc_estimate(known.response, known.predicted, known.folds)
    return Measured(estimate, len(known.response), int(known.response.sum()))


METRICS.register("auc")(
    Metric("AUC of response", "Area under the ROC curve.", chance=0.5, measure=auc)
)
