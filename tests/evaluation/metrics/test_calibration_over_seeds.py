"""Calibration is that of each seed's own model, averaged."""

import numpy as np
import pytest

from flame.evaluation.metrics import metric
from flame.evaluation.metrics.calibration_slope import calibration_slope
from flame.evaluation.metrics.estimates import Estimate, averaged, calibration_estimates, undefined


def test_models_that_are_right_stay_right_when_there_are_several() -> None:
    """Two seeds with independent errors: the average of their predictions has a steeper slope."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, 4000)
    response = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(float)
    logits = [0.5 * truth + rng.normal(0, 0.5, 4000) for _ in range(2)]
    predicted = np.array([1 / (1 + np.exp(-x)) for x in logits])
    folds, unknown = np.zeros((2, 4000), int), np.full(4000, np.nan)
    tested = metric.Tested(response, unknown, unknown, predicted, folds, folds + 0.5, True)
    each = [calibration_estimates(response, p)[0].value for p in predicted]
    found = calibration_slope(tested).estimate
    assert found.value == pytest.approx(np.mean(each))
    assert found.low < found.value < found.high
    pooled = calibration_estimates(response, predicted.mean(axis=0))[0].value
    assert pooled > found.value + 0.1


def test_one_undefined_seed_makes_the_average_undefined() -> None:
    found = averaged([Estimate(1.0, 0.5, 1.5), undefined("the prediction is constant")])
    assert np.isnan(found.value)
    assert found.reason == "the prediction is constant"
