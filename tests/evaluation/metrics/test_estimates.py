"""Metrics against scikit-learn, lifelines, statsmodels-free closed forms and hand counts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter
from lifelines.utils import concordance_index
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from flame.evaluation.metrics.estimates import (
    Concordance,
    auc,
    auc_difference,
    auc_estimate,
    auc_interval,
    auprc_estimate,
    balanced_accuracy_estimate,
    brier_estimate,
    c_index_estimate,
    calibration_estimates,
    crossed_estimate,
    survival_slope,
)


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=3, max_size=40).filter(
        lambda rows: len({r[0] for r in rows}) == 2
    )
)
def test_auc_equals_scikit_learn_with_ties(rows: list[tuple[int, int]]) -> None:
    response, score = (np.array(c, float) for c in zip(*rows, strict=True))
    assert auc(response, score, same(response)) == pytest.approx(roc_auc_score(response, score))


def same(response: np.ndarray) -> np.ndarray:
    """One fold for all: everyone was predicted by the same model."""
    return np.zeros(response.shape, int)


def test_auc_compares_within_folds_only() -> None:
    # Within both folds the order is right; across them it is not: 4 of 4 pairs, not 6 of 8.
    response = np.array([0.0, 1, 0, 1, 1, 0])
    score = np.array([0.1, 0.2, 0.8, 0.9, 0.95, 0.7])
    fold = np.array([0, 0, 1, 1, 1, 1])
    assert auc(response, score, fold) == 1
    assert auc(response, score, same(response)) == pytest.approx(7 / 9)


def test_out_of_fold_auc_of_no_skill_is_one_half() -> None:
    # Leave-some-out prevalence: the mean of the training labels, lower where the held-out fold
    # holds more responders. Across folds that looks like negative skill; within folds it is none.
    rng = np.random.default_rng(0)
    pooled, within = [], []
    for _ in range(300):
        response, fold = rng.integers(0, 2, 16).astype(float), np.arange(16) % 4
        score = np.array([response[fold != f].mean() for f in fold])
        pooled.append(auc(response, score, same(response)))
        within.append(auc(response, score, fold))
    assert np.nanmean(pooled) < 0.45
    assert np.nanmean(within) == pytest.approx(0.5)


def test_auc_interval_properties() -> None:
    low, high = auc_interval(0.75, 40, 60)
    assert low < 0.75 < high
    # Solved equation: |theta - auc| = z * se(theta) at both ends, checked by hand at one end.
    size = 49
    spread = 1 + size * (1 - low) / (2 - low) + size * low / (1 + low)
    se = np.sqrt(low * (1 - low) * spread / 2400)
    assert (0.75 - low) / se == pytest.approx(1.959964, abs=1e-4)
    folded = auc_interval(0.75, 40, 60, folds=5)
    assert folded[0] < low
    assert folded[1] > high
    low, high = auc_interval(1.0, 3, 3)
    assert 0.3 < low < 0.9  # six perfectly ranked patients prove little
    assert high == 1.0


def test_one_class_is_undefined_with_a_reason() -> None:
    found = auc_estimate(np.ones(4), np.full((1, 4), 0.5), np.zeros((1, 4), int))
    assert np.isnan(found.value)
    assert found.reason == "all 4 patients are responders"
    slope, intercept = calibration_estimates(np.zeros(4), np.full(4, 0.2))
    assert np.isnan(slope.value)
    assert np.isnan(intercept.value)


def test_mean_over_seeds() -> None:
    response = np.array([0.0, 1.0, 0.0, 1.0])
    by_seed = np.array([[0.1, 0.9, 0.2, 0.8], [0.9, 0.1, 0.8, 0.2]])
    found = auc_estimate(response, by_seed, same(by_seed))
    assert found.value == pytest.approx(0.5)  # (1 + 0) / 2


def test_brier_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    response, p = rng.integers(0, 2, 50).astype(float), rng.random(50)
    found = brier_estimate(response, p[None])
    assert found.value == pytest.approx(brier_score_loss(response, p))
    assert found.low < found.value < found.high


def test_calibration_slope_and_intercept_equal_unpenalised_logistic_regression() -> None:
    rng = np.random.default_rng(1)
    logit = rng.normal(size=400)
    response = (rng.random(400) < 1 / (1 + np.exp(-(0.5 * logit + 0.3)))).astype(float)
    p = 1 / (1 + np.exp(-logit))
    slope, intercept = calibration_estimates(response, p)
    reference = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], response)
    assert slope.value == pytest.approx(reference.coef_[0, 0], abs=1e-4)
    assert slope.low < 0.5 < slope.high
    # Calibration in the large: the fitted mean equals the observed mean.
    shifted = 1 / (1 + np.exp(-(logit + intercept.value)))
    assert shifted.mean() == pytest.approx(response.mean(), abs=1e-9)


def test_separated_classes_have_no_slope() -> None:
    slope, _ = calibration_estimates(np.array([0.0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))
    assert np.isnan(slope.value)
    assert slope.reason == "no finite fit: the groups are separated"


def test_c_index_by_hand() -> None:
    # Comparable pairs: (1,2), (1,3), (2,3); the predictions order two of three rightly.
    days, died = np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 0.0])
    scores, one_fold = np.array([[0.2, 0.1, 0.9]]), np.zeros((1, 3), int)
    found = c_index_estimate(days, died, scores, one_fold)
    assert found.value == pytest.approx(2 / 3)
    nobody = c_index_estimate(days, np.zeros(3), scores, one_fold)
    assert nobody.reason == "no deaths with a known survival time"
    apart = c_index_estimate(days, died, scores, np.array([[0, 1, 0]]))
    assert apart.value == 1.0  # of (1,3) alone
    alone = c_index_estimate(days, died, scores, np.array([[0, 1, 2]]))
    assert alone.reason == "no comparable pair of patients"


@given(st.integers(0, 10**6))
def test_c_index_is_that_of_lifelines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    days, died = rng.integers(1, 9, 30).astype(float), rng.integers(0, 2, 30).astype(float)
    scores = rng.integers(0, 5, 30) / 4
    died[0], days[0] = 1, 0
    found = Concordance(days, died, scores[None], np.zeros((1, 30), int))
    expected = concordance_index(days, scores, died)
    assert found.of(np.arange(30)) == pytest.approx(expected, abs=1e-12)
    rows = rng.integers(0, 30, 30)
    if died[rows].any() and np.ptp(days[rows]):
        again = concordance_index(days[rows], scores[rows], died[rows])
        assert found.of(rows) == pytest.approx(again, abs=1e-12)


def test_difference_of_a_model_with_itself_is_zero() -> None:
    rng = np.random.default_rng(0)
    response, p = np.arange(30) % 2.0, rng.random((2, 30))
    found = auc_difference(response, (p, same(p)), (p, same(p)))
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_interval_of_a_folded_auc_covers_the_truth() -> None:
    # 40 patients in 4 folds, scores of responders shifted by 0.7 standard deviations: the true
    # AUC is Phi(0.7 / sqrt 2). The 95 % interval must hold it in about 95 % of samples.
    rng, truth, hits = np.random.default_rng(0), norm.cdf(0.7 / np.sqrt(2)), 0
    for _ in range(400):
        response, fold = np.arange(40) % 2.0, np.arange(40) // 2 % 4
        score = rng.normal(size=40) + 0.7 * response
        found = auc_estimate(response, score[None], fold[None])
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / 400 <= 0.985


def test_balanced_accuracy_by_hand() -> None:
    # Sensitivity 1/2 and 1, specificity 2/3 and 1/3 in two seeds: mean (3/4 + 1/2) / 2.
    response = np.array([1.0, 1, 0, 0, 0])
    called = np.array([[1, 0, 1, 0, 0], [1, 1, 1, 1, 0]], bool)
    assert balanced_accuracy_estimate(response, called).value == pytest.approx(0.625)
    assert balanced_accuracy_estimate(np.ones(2), called[:, :2]).reason == "one class only"


def test_auprc_by_hand() -> None:
    # Ranked yes, no, yes: precision 1 at recall 1/2 and 2/3 at recall 1.
    found = auprc_estimate(np.array([1.0, 0, 1]), np.array([[0.9, 0.5, 0.3]]))
    assert found.value == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert auprc_estimate(np.zeros(2), np.zeros((1, 2))).reason == "no responders"


def test_survival_slope_is_that_of_lifelines() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=80)
    days = np.ceil(rng.exponential(np.exp(0.7 * score)) * 20)
    died = (rng.random(80) < 0.7).astype(float)
    table = pd.DataFrame({"risk": -score, "days": days, "died": died})
    expected = CoxPHFitter().fit(table, "days", "died", fit_options={"precision": 1e-10})
    found = survival_slope(days, died, score)
    assert found.value == pytest.approx(expected.params_.iloc[0], abs=1e-6)
    assert found.low == pytest.approx(expected.confidence_intervals_.iloc[0, 0], abs=1e-4)


def test_the_interval_over_patients_and_seeds_has_the_variance_of_both() -> None:
    """Of a sum of effects of seed and patient, the variance of the mean is the sum of both parts.

    A bootstrap has the variances of the samples: var(a) / S + var(b) / P.
    """
    rng = np.random.default_rng(0)
    seeds, patients = rng.normal(0, 1, 30), rng.normal(0, 3, 60)
    found = crossed_estimate(seeds[:, None] + patients, "none")
    assert found.value == pytest.approx(seeds.mean() + patients.mean())
    expected = 2 * 1.96 * np.sqrt(seeds.var() / 30 + patients.var() / 60)
    assert found.high - found.low == pytest.approx(expected, rel=0.08)


def test_a_patient_without_a_value_in_one_training_counts_by_the_others() -> None:
    found = crossed_estimate(np.array([[1.0, np.nan], [3.0, 6.0]]), "none")
    assert found.value == pytest.approx((2.0 + 6.0) / 2)
    assert crossed_estimate(np.full((2, 3), np.nan), "no patient has a value").reason
