"""Concordance of predictions with survival (Harrell 1982)."""

from flame.evaluation.metrics.estimates import c_index_estimate
from flame.evaluation.metrics.metric import METRICS, Measured, Metric, Tested


def c_index(tested: Tested) -> Measured:
    """The C-index over pairs that one model predicted, infinitesimal jackknife over patients."""
    followed = tested.of_known_survival()
    estimate = c_index_estimate(followed.days, followed.died, followed.predicted, followed.folds)
    return Measured(estimate, len(followed.days), int(followed.died.sum()))


METRICS.register("c_index")(
    Metric(
        "C-index of survival",
        "Share of comparable pairs in which the patient predicted to live longer did.",
        chance=0.5,
        measure=c_index,
    )
)
