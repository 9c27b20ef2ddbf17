"""Area under the ROC curve, over pairs of patients of the same fold."""

from flame.evaluation.metrics.estimates import auc_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def auc(tested: Tested) -> Measured:
    """Compute the AUC of the response, averaged over folds and seeds.

    AUC = share of pairs (responder, non-responder) in which the responder has the higher
    prediction; ties count half. The interval is that of ``auc_interval``.

    Args:
        tested: predictions and outcomes of the patients of one centre.

    Returns:
        The AUC from 0 to 1, with the numbers of patients and responders.

    Example:
        >>> import numpy as np
        >>> unknown, folds = np.full(4, np.nan), np.zeros((1, 4), int)
        >>> response, predicted = np.array([0.0, 0.0, 1.0, 1.0]), np.array([[0.1, 0.6, 0.4, 0.9]])
        >>> tested = Tested(response, unknown, unknown, predicted, folds, folds + 0.5, True)
        >>> auc(tested).estimate.value
        0.75
    """
    known = tested.of_known_response()
    estimate = auc_estimate(known.response, known.predicted, known.folds)
    return known.with_responders(estimate)


METRICS.register("auc")(
    Metric("AUC of response", "Area under the ROC curve.", chance=0.5, measure=auc)
)
