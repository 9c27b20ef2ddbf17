"""Alarms with a run length: rates against the binomial law, and p-values by hand."""

import numpy as np
import pytest
from scipy.stats import binom, ks_2samp

from flame.streams.shift_watch import AlarmConfig, ShiftWatch, log_p


def test_p_values_bound_those_of_kolmogorov_and_smirnov() -> None:
    """scipy's exact two-sided test, also of tiny samples, and -2 d^2 mn / (m + n) for d = 1."""
    rng = np.random.default_rng(0)
    old = rng.normal(size=(80, 3)).round(1)  # with ties
    new = rng.normal(0.4, 1, (50, 3)).round(1)
    exact = [ks_2samp(a, b, method="exact").pvalue for a, b in zip(old.T, new.T, strict=True)]
    bound = np.e * np.exp(log_p(old, new))
    assert (bound >= exact).all()
    assert (bound <= 2.2 * np.array(exact) + 0.01).all()
    assert log_p(np.zeros((30, 1)), np.ones((60, 1))) == pytest.approx(-2 * 30 * 60 / 90)
    assert log_p(np.ones((30, 1)), np.ones((60, 1))) == 0
    for m, n in ((1, 1), (1, 2), (2, 2), (1, 9), (3, 4)):
        apart = np.arange(m)[:, None], 100 + np.arange(n)[:, None]
        exact_p = ks_2samp(apart[0][:, 0], apart[1][:, 0], method="exact").pvalue
        assert np.e * np.exp(log_p(*apart)) >= min(exact_p, 1) - 1e-12


@pytest.mark.parametrize(("rows", "features", "run_length"), [(20, 1, 10), (30, 4, 20)])
def test_false_alarms_are_no_more_than_asked_for(
    rows: int, features: int, run_length: float
) -> None:
    """The number of alarms in n steps is at most that of Binomial(n, 1 / run length)."""
    rng = np.random.default_rng(1)
    steps, alarms = 0, 0
    for _ in range(20):
        watch = ShiftWatch(AlarmConfig(run_length))
        for step in range(40):
            alarms += watch.see(step, rng.normal(size=(rows, features))) is not None
            steps += 1
    assert 0 < alarms <= binom.ppf(0.99, steps, 1 / run_length)


def test_a_sudden_drift_is_noticed_at_once_and_a_slow_one_by_longer_windows() -> None:
    rng = np.random.default_rng(2)
    watch = ShiftWatch(AlarmConfig())
    found = [
        (step, shift)
        for step in range(20)
        if (shift := watch.see(step, rng.normal([0, 2 * (step >= 12)], 1, (40, 2))))
    ]
    assert [(step, s.since, s.value) for step, s in found] == [(12, 12, 1)]
    assert (found[0][1].before, found[0][1].after) == pytest.approx((0, 2), abs=0.4)
    slow = ShiftWatch(AlarmConfig())
    noticed = [
        (step, shift.since)
        for step in range(20)
        if (shift := slow.see(step, rng.normal(0.5 * (step >= 8), 1, (12, 1))))
    ]
    assert noticed
    step, since = noticed[0]
    assert step > since >= 7  # one step has too few rows for this difference


def test_a_device_is_compared_with_its_own_rows() -> None:
    """Two scanners in turn differ, which is no drift; then one of them drifts, unlike all rows."""
    rng = np.random.default_rng(3)
    watch = ShiftWatch(AlarmConfig())
    shifts = {}
    names = np.array(["a"] * 5 + ["b"] * 60)
    for step in range(12):
        levels = np.array([9.0 if step >= 9 else 5.0] * 5 + [0.0] * 60)
        shifts[step] = watch.see(step, rng.normal(levels, 0.5)[:, None], names)
    first = next(step for step, shift in shifts.items() if shift)
    assert first >= 9
    shift = shifts[first]
    assert shift is not None
    assert (shift.group, shift.since, shift.rows_before) == ("a", 9, 45)


def test_after_an_alarm_the_new_rows_are_what_is_expected() -> None:
    rng = np.random.default_rng(4)
    watch = ShiftWatch(AlarmConfig())
    noticed = [
        step for step in range(20) if watch.see(step, rng.normal(3.0 * (step >= 5), 1, (30, 1)))
    ]
    assert noticed == [5]
    assert watch.see(20, np.zeros((0, 1))) is None
