"""Scores under censoring: by hand, by lifelines, and equal to the plain ones without censoring."""

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time
from sklearn.metrics import brier_score_loss, roc_auc_score

from flame.evaluation.metrics import censored

RNG = np.random.default_rng(0)
DEATH = RNG.exponential(400, 300).round() + 1
LEAVES = RNG.uniform(50, 900, 300).round() + 1
DAYS = np.minimum(DEATH, LEAVES)
DIED = (DEATH <= LEAVES).astype(float)
SCORE = DEATH + RNG.normal(0, 200, 300)


def test_the_distribution_of_censoring_is_that_of_lifelines() -> None:
    """lifelines' curve of censoring counts a death on the same day as still at risk; none is."""
    apart = DAYS + np.where(DIED > 0.5, 0.0, 0.25)
    fitted = KaplanMeierFitter().fit(apart, DIED < 0.5)
    at = np.array([100.0, 200.5, 400.0, 700.0])
    ours = censored.uncensored(apart, DIED, at)
    assert np.allclose(ours, fitted.survival_function_at_times(at - 1e-6).to_numpy())


def test_without_censoring_the_scores_are_the_plain_ones() -> None:
    everyone = np.ones(300)
    alive = 1 / (1 + np.exp(-(SCORE - 365) / 100))
    lived = DEATH > 365
    assert censored.auc(DEATH, everyone, SCORE, 365) == pytest.approx(roc_auc_score(lived, SCORE))
    assert censored.brier(DEATH, everyone, alive, 365) == pytest.approx(
        brier_score_loss(lived, alive)
    )


def test_the_weights_remove_the_bias_of_leaving_patients_out() -> None:
    """Of many simulated patients the weighted share alive is the true one; the plain one is not."""
    rng = np.random.default_rng(1)
    death = rng.exponential(400, 40_000)
    leaves = rng.uniform(0, 900, 40_000)
    days, died = np.minimum(death, leaves), (death <= leaves).astype(float)
    w = censored.weights(days, died, 365)
    weighted = (w * (days > 365)).sum() / w.sum()
    assert weighted == pytest.approx(np.exp(-365 / 400), abs=0.01)
    assert (days[w > 0] > 365).mean() < np.exp(-365 / 400) - 0.05
    # A constant prediction of the true share has the variance of the state as its score.
    share = float(np.exp(-365 / 400))
    score = censored.brier(days, died, np.full(40_000, share), 365)
    assert score == pytest.approx(share * (1 - share), abs=0.005)


def test_brier_by_hand() -> None:
    """Dead on day 1; censored on day 2; alive on day 4, for whom the censored one counts too."""
    days, died = np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.0, 1.0])
    # G(1-) = 1; one of the two at risk on day 2 is censored: G(3) = 1/2, weights 1, 0 and 2.
    alive = np.array([0.5, 0.5, 0.75])
    expected = (1 * 0.25 + 2 * 0.0625) / 3
    assert censored.brier(days, died, alive, 3.0) == pytest.approx(expected)


def test_integrated_brier_of_a_constant_is_that_constant() -> None:
    days, died = np.full(10, 1000.0), np.ones(10)
    curves = np.full((10, 3), 0.9)  # everyone lives on: 0.01 on each day
    score = censored.integrated_brier(days, died, curves, np.array([100.0, 200.0, 500.0]))
    assert score == pytest.approx(0.01)


def test_restricted_mean_is_that_of_lifelines() -> None:
    fitted = KaplanMeierFitter().fit(DAYS, DIED)
    theirs = restricted_mean_survival_time(fitted, t=500)
    assert censored.restricted_mean(DAYS, DIED, 500) == pytest.approx(theirs)


def test_what_is_not_known_is_nan() -> None:
    days, died = np.array([10.0, 20.0]), np.zeros(2)
    assert np.isnan(censored.auc(days, died, days, 365))
    assert np.isnan(censored.restricted_mean(days, died, 365))
    assert np.isnan(censored.brier(days, died, np.ones(2), 365))


def test_scores_beyond_the_follow_up_are_nan() -> None:
    """All are censored by day 400: nobody knows who lives two years."""
    days, died = np.minimum(DAYS, 400.0), np.where(DAYS > 400, 0.0, DIED)
    assert censored.is_followed(days, died, 365)
    assert not censored.is_followed(days, died, 730)
    alive = np.full(300, 0.4)
    assert np.isfinite(censored.brier(days, died, alive, 365))
    assert np.isnan(censored.brier(days, died, alive, 730))
    curves = np.full((300, 2), 0.4)
    assert np.isnan(censored.integrated_brier(days, died, curves, np.array([300.0, 730.0])))
    assert censored.is_followed(np.array([10.0, 20.0]), np.ones(2), 730)  # all died before
