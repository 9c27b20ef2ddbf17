"""Random effects by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from flame.evaluation.metrics.random_effects import random_effects


def test_three_centres_by_hand() -> None:
    # Weights 1; fixed mean 2, Q = 2; scale 3 - 3/3 = 2; tau2 = (2 - 2) / 2 = 0 at values 1, 2, 3.
    # At 0, 2, 4 Q = 8, tau2 = (8 - 2) / 2 = 3, I2 = 6 / 8, variance of the mean (1 + 3) / 3.
    found = random_effects(np.array([0.0, 2, 4]), np.ones(3))
    assert (found.mean, found.tau2, found.i2) == pytest.approx((2, 3, 0.75))
    # Weights 1/4, H = (4 + 0 + 4) / 4 / 2 = 1, so the variance stays 4/3; 2 degrees of freedom.
    assert found.high == pytest.approx(2 + t.ppf(0.975, 2) * np.sqrt(4 / 3))
    assert found.new_high == pytest.approx(2 + t.ppf(0.975, 1) * np.sqrt(3 + 4 / 3))
    assert found.new_low == pytest.approx(4 - found.new_high)


def test_alike_centres_are_a_fixed_effect() -> None:
    found = random_effects(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert (found.tau2, found.i2) == (0, 0)
    assert found.mean == pytest.approx((1 / 1 + 2 / 4) / (1 + 1 / 4))
    assert np.isnan(found.new_low)
    assert found.reason == "a prediction interval needs at least three hospitals"


def test_one_centre_has_none() -> None:
    assert random_effects(np.ones(1), np.ones(1)).reason == "fewer than two hospitals have a value"


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=8), st.floats(-5, 5), st.floats(0.1, 9))
def test_moves_and_scales_with_the_values(values: list[float], move: float, scale: float) -> None:
    at, errors = np.array(values), np.linspace(0.5, 1.5, len(values))
    one, other = random_effects(at, errors), random_effects(move + scale * at, scale * errors)
    assert other.mean == pytest.approx(move + scale * one.mean, abs=1e-6)
    assert other.tau2 == pytest.approx(scale**2 * one.tau2, abs=1e-6)
    assert other.i2 == pytest.approx(one.i2, abs=1e-6)


def test_an_interval_without_width_says_so() -> None:
    found = random_effects(np.ones(3), np.array([1.0, 0, 1]))
    assert np.isnan(found.mean)
    assert found.reason == "the interval of a hospital has zero width"


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.0])
def test_the_interval_of_three_centres_covers_the_mean(tau: float) -> None:
    """Centres of unequal size; the normal interval covers about 85 % of the time with tau 1."""
    rng = np.random.default_rng(5)
    errors = np.array([0.2, 0.3, 0.6])
    inside = 0
    for _ in range(2000):
        values = rng.normal(0, tau, 3) + rng.normal(0, errors)
        found = random_effects(values, errors)
        inside += found.low <= 0 <= found.high
    assert inside / 2000 >= 0.93
