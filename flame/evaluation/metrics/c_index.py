"""Concordance of predictions with survival (Harrell 1982)."""

from flame.evaluation.metrics.estimates import c_index_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def c_index(tested: Tested) -> Measured:
    """Compute the C-index of survival, with a bootstrap interval over patients.

    C-index = share of comparable pairs of one fold in which the patient who lived longer has the
    higher prediction; tied predictions count half. A pair is comparable if the patient with the
    shorter survival died.

    Args:
        tested: predictions and outcomes of the patients of one centre.

    Returns:
        The C-index from 0 to 1, with the numbers of patients and deaths.

    Reference:
        Harrell 1982.

    Example:
        >>> import numpy as np
        >>> days, died, folds = np.array([100.0, 200.0, 300.0]), np.ones(3), np.zeros((1, 3), int)
        >>> predicted = np.array([[0.1, 0.6, 0.4]])
        >>> tested = Tested(np.full(3, np.nan), days, died, predicted, folds, folds + 0.5, False)
        >>> round(c_index(tested).estimate.value, 3)
        0.667
    """
    followed = tested.of_known_survival()
    estimate = c_index_estimate(followed.days, followed.died, followed.predicted, followed.folds)
    return followed.with_deaths(estimate)


METRICS.register("c_index")(
    Metric(
        "C-index of survival",
        "Share of comparable pairs of patients whose order of survival is predicted correctly.",
        chance=0.5,
        measure=c_index,
    )
)
