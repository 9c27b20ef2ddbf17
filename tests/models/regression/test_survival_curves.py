"""Curves and tests from counts: by hand, and those of lifelines on pooled patients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import median_survival_times

from flame.models.regression.survival_curves import exits, kaplan_meier, log_rank, together


def people(seed: int, n: int, centres: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    days = rng.integers(1, 30, n).astype(float)  # many ties
    return days, (rng.random(n) < 0.7).astype(float), rng.permutation(np.arange(n) % centres)


def test_four_patients_by_hand() -> None:
    # Deaths on days 1 and 2, censored on 2, death on 3: 3/4, then 3/4 * 2/3, then 0.
    found = exits(np.array([1.0, 2, 2, 3]), np.array([1.0, 1, 0, 1]))
    assert found.at_risk.tolist() == [4, 3, 1]
    curve = kaplan_meier(found)
    assert curve.alive == pytest.approx([0.75, 0.5, 0])
    assert curve.median == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 80))
def test_centres_together_give_the_curve_of_lifelines(seed: int, n: int) -> None:
    days, died, centre = people(seed, n, 3)
    curve = kaplan_meier(together([exits(days[centre == c], died[centre == c]) for c in range(3)]))
    fitter = KaplanMeierFitter().fit(days, died)
    assert curve.alive == pytest.approx(fitter.survival_function_.to_numpy()[1:, 0], abs=1e-9)
    bounds = fitter.confidence_interval_survival_function_.to_numpy()[1:]
    inside = (curve.alive > 0) & (curve.alive < 1)
    assert curve.low[inside] == pytest.approx(bounds[inside, 0], abs=1e-6)
    assert curve.high[inside] == pytest.approx(bounds[inside, 1], abs=1e-6)
    if not np.isclose(curve.alive, 0.5).any():  # at one half rounding decides
        assert curve.median == fitter.median_survival_time_


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 80), st.integers(2, 4))
def test_log_rank_is_that_of_lifelines(seed: int, n: int, groups: int) -> None:
    days, died, group = people(seed, n, groups)
    found = log_rank([exits(days[group == g], died[group == g]) for g in range(groups)])
    expected = multivariate_logrank_test(days, group, died)
    assert found.chi2 == pytest.approx(expected.test_statistic, abs=1e-6)
    assert found.p == pytest.approx(expected.p_value, abs=1e-6)


def test_one_group_has_no_test() -> None:
    assert np.isnan(log_rank([exits(np.ones(3), np.ones(3))]).p)


@given(st.integers(0, 10**6), st.integers(1, 50), st.integers(1, 7))
def test_no_time_is_shared_by_fewer_than_asked(seed: int, n: int, least: int) -> None:
    days, died, _ = people(seed, n, 1)
    found = exits(days, died, least)
    cells = np.concatenate([found.deaths, found.censored])
    assert (cells[cells > 0] >= least).all()
    deaths = died.sum()
    told = all(count == 0 or count >= least for count in (deaths, n - deaths))
    assert found.deaths.sum() == (deaths if told else 0)
    assert cells.sum() == (n if told else 0)


def test_blocks_by_hand() -> None:
    found = exits(np.array([5.0, 1, 2, 9, 7, 4]), np.array([1.0, 1, 0, 1, 1, 0]), 2)
    # Deaths: 1 and 5 at 3, 7 and 9 at 8. Censored: 2 and 4 at 3.
    assert found.times.tolist() == [3, 8]
    assert (found.deaths.tolist(), found.censored.tolist()) == ([2, 2], [2, 0])


def test_a_group_of_nobody_is_left_out() -> None:
    days, died, group = people(0, 40, 2)
    two = [exits(days[group == g], died[group == g]) for g in range(2)]
    nobody = exits(np.zeros(0), np.zeros(0))
    assert log_rank([*two, nobody]) == log_rank(two)


@pytest.mark.parametrize("n", [2, 6, 10, 14, 22, 24, 49, 50, 98])
def test_the_median_is_exact_however_the_product_rounds(n: int) -> None:
    """All die, one a day: half are dead on day ceil(n / 2). In floats 1 - 1/24 - ... is not 1/2."""
    days = np.arange(1.0, n + 1)
    assert kaplan_meier(exits(days, np.ones(n))).median == np.ceil(n / 2)


def test_the_interval_of_the_median_is_that_of_lifelines() -> None:
    rng = np.random.default_rng(4)
    days, leaves = rng.exponential(300, 80).round() + 1, rng.uniform(50, 900, 80).round() + 1
    seen, died = np.minimum(days, leaves), (days <= leaves).astype(float)
    fitted = KaplanMeierFitter().fit(seen, died)
    low, high = median_survival_times(fitted.confidence_interval_).to_numpy()[0]
    assert kaplan_meier(exits(seen, died)).median_interval == (low, high)
