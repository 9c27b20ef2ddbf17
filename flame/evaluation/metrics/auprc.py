"""Area under the precision-recall curve."""

from flame.evaluation.metrics.estimates import auprc_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def auprc(tested: Tested) -> Measured:
    """Compute the average precision of the response, with a bootstrap interval over patients.

    Average precision = sum over thresholds of (increase of recall) * precision, averaged over
    seeds.

    Args:
        tested: predictions and outcomes of the patients of one centre.

    Returns:
        The average precision from 0 to 1, with the numbers of patients and responders.

    Example:
        >>> import numpy as np
        >>> unknown, folds = np.full(4, np.nan), np.zeros((1, 4), int)
        >>> response, predicted = np.array([0.0, 0.0, 1.0, 1.0]), np.array([[0.1, 0.6, 0.4, 0.9]])
        >>> tested = Tested(response, unknown, unknown, predicted, folds, folds + 0.5, True)
        >>> round(auprc(tested).estimate.value, 3)
        0.833
    """
    known = tested.of_known_response()
    estimate = auprc_estimate(known.response, known.predicted)
    return known.with_responders(estimate)


METRICS.register("auprc")(
    Metric(
        "AUPRC of response",
        "Area under the precision-recall curve; without skill it equals the share of responders.",
        measure=auprc,
    )
)
