"""Metrics with intervals, and summaries of them over centres."""

from flame.evaluation.metrics import (  # noqa: F401  (they register themselves)
    auc,
    auprc,
    balanced_accuracy,
    brier,
    c_index,
    calibration_intercept,
    calibration_slope,
    forecasts,
    masks,
)
