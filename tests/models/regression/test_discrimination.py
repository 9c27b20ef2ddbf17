"""AUC and C-index from what centres send: scikit-learn's and lifelines' on pooled patients."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.utils import concordance_index
from sklearn.metrics import roc_auc_score

from flame.models.regression.discrimination import (
    Pairs,
    auc_of,
    c_index_of,
    groups_of,
    pairs_across,
    score_counts,
)
from flame.models.regression.discrimination import pairs_of as pairs_of_groups

Array = np.ndarray


def pairs_of(scores: Array, days: Array, died: Array) -> Pairs:
    return pairs_of_groups(groups_of(scores, days, died))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(10, 90))
def test_auc_is_that_of_scikit_learn_on_pooled_patients(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, outcome = rng.integers(0, 12, n) / 10.0, rng.integers(0, 2, n).astype(float)
    outcome[:2] = 0, 1
    centre = np.arange(n) % 3
    parts = [score_counts(scores[centre == c], outcome[centre == c]) for c in range(3)]
    value, low, high = auc_of(parts)
    assert value == pytest.approx(roc_auc_score(outcome, scores), abs=1e-9)
    assert low <= value <= high


def test_interval_after_delong_by_hand() -> None:
    # Yes at 3 and 1, no at 2 and 0: placements 1, 1/2 and 1/2, 1; variance 1/8 each over 2.
    found = auc_of([score_counts(np.array([3.0, 1, 2, 0]), np.array([1.0, 1, 0, 0]))])
    assert found[0] == 0.75
    assert found[1] == pytest.approx(0.75 - 1.959964 * np.sqrt(1 / 8 / 2 + 1 / 8 / 2))
    assert found[2] == 1.0


def test_one_class_has_no_auc() -> None:
    assert np.isnan(auc_of([score_counts(np.ones(3), np.ones(3))])[0])


@given(st.integers(0, 10**6), st.integers(0, 40), st.integers(1, 6))
def test_no_score_is_shared_by_fewer_than_asked(seed: int, n: int, least: int) -> None:
    rng = np.random.default_rng(seed)
    found = score_counts(rng.normal(size=n), rng.integers(0, 2, n) * 1.0, least)
    cells = np.concatenate([found.yes, found.no])
    assert (cells[cells > 0] >= least).all()
    assert cells.sum() in (0, n)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 60))
def test_c_index_of_one_centre_is_that_of_lifelines(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, days = rng.integers(0, 9, n) * 1.0, rng.integers(1, 20, n) * 1.0
    died = (rng.random(n) < 0.7) * 1.0
    died[np.argmin(days)] = 1
    days[np.argmax(days)] += 1  # so that there is a pair
    value, low, high = c_index_of(pairs_of(scores, days, died))
    assert value == pytest.approx(concordance_index(days, scores, died), abs=1e-9)
    assert low <= value <= high


def test_pairs_of_centres_add_up_and_never_cross() -> None:
    # At a told, at b not: one of two, though a's patient of score 9 outlives b's of 0.
    a = pairs_of(np.array([1.0, 9]), np.array([1.0, 50]), np.ones(2))
    b = pairs_of(np.array([5.0, 0]), np.array([2.0, 30]), np.ones(2))
    value, *_ = c_index_of(reduce(add, [a, b]))
    assert value == 0.5
    assert np.isnan(c_index_of(pairs_of(np.ones(1), np.ones(1), np.ones(1)))[0])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(9, 60))
def test_c_index_across_centres_is_that_of_lifelines_on_pooled_patients(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, days = rng.integers(0, 9, n) * 1.0, rng.integers(1, 20, n) * 1.0
    died, centre = (rng.random(n) < 0.7) * 1.0, np.arange(n) % 3
    died[np.argmin(days)] = 1
    days[np.argmax(days)] += 1
    parts = [groups_of(*(v[centre == c] for v in (scores, days, died))) for c in range(3)]
    value, low, high = c_index_of(pairs_across(parts))
    assert value == pytest.approx(concordance_index(days, scores, died), abs=1e-9)
    assert (value, low, high) == pytest.approx(c_index_of(pairs_of(scores, days, died)))


@given(st.integers(0, 10**6), st.integers(0, 60), st.integers(1, 6))
def test_no_group_is_of_fewer_than_asked(seed: int, n: int, least: int) -> None:
    rng = np.random.default_rng(seed)
    found = groups_of(rng.normal(size=n), rng.exponential(size=n), rng.integers(0, 2, n), least)
    sizes = dict.fromkeys(zip(found.scores, found.days, strict=True), 0.0)
    for key, count in zip(zip(found.scores, found.days, strict=True), found.counts, strict=True):
        sizes[key] += count
    assert all(size >= least for size in sizes.values())
    assert (found.counts >= least).all()
    assert found.counts.sum() in (0, n)


def test_groups_of_five_keep_a_c_index_within_three_hundredths() -> None:
    rng = np.random.default_rng(0)
    risk = rng.normal(size=600)
    days, died = rng.exponential(np.exp(-risk)), (rng.random(600) < 0.8) * 1.0
    exact = concordance_index(days, -risk, died)
    parts = [groups_of(-risk[c::3], days[c::3], died[c::3], 5) for c in range(3)]
    assert c_index_of(pairs_across(parts))[0] == pytest.approx(exact, abs=0.03)


def test_the_interval_of_a_c_index_covers_the_truth() -> None:
    # Exponential survival with a known hazard ratio: the truth is the mean over 400 draws.
    def draw(seed: int) -> tuple[float, float, float]:
        rng = np.random.default_rng(seed)
        risk = rng.normal(size=60)
        days = rng.exponential(np.exp(-risk))
        return c_index_of(pairs_of(-risk, days, np.ones(60)))

    found = np.array([draw(seed) for seed in range(400)])
    truth = found[:, 0].mean()
    covered = np.mean((found[:, 1] <= truth) & (truth <= found[:, 2]))
    assert 0.91 <= covered <= 0.98
