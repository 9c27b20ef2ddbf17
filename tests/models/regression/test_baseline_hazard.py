"""The baseline hazard: by hand, by lifelines' Breslow estimate, and with few deaths in a part."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from flame.models.regression.baseline_hazard import MONTH, MONTHS, Hazard, hazard_sums


def simulated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_risk = rng.normal(0, 0.5, n)
    death = rng.exponential(500 / np.exp(log_risk))
    leaves = rng.uniform(100, 1500, n)
    return log_risk, np.minimum(death, leaves), (death <= leaves).astype(float)


def test_survival_is_that_of_lifelines_up_to_the_months() -> None:
    """lifelines' baseline is Breslow's estimate at the days of death, ours within months."""
    log_risk, days, died = simulated(2000, 1)
    table = pd.DataFrame({"x": log_risk, "days": days, "died": died})
    fitted = CoxPHFitter().fit(table, "days", "died")
    at = np.array([90.0, 365.0, 730.0, 1200.0])
    theirs = fitted.predict_cumulative_hazard(pd.DataFrame({"x": [0.0]}), times=at).to_numpy()[:, 0]
    slope = fitted.params_["x"]
    ours = hazard_sums(slope * log_risk, days, died).cumulative(at)
    # lifelines centres its covariates before it exponentiates; the prediction undoes that.
    assert np.allclose(np.exp(-ours), np.exp(-theirs), atol=0.01)


def test_centres_add_up_to_one_sum_over_all() -> None:
    log_risk, days, died = simulated(300, 2)
    parts = [hazard_sums(log_risk[i::3], days[i::3], died[i::3]) for i in range(3)]
    total = Hazard(np.array([p.deaths for p in parts]), np.array([p.exposure for p in parts]))
    assert total.summed().deaths.sum() == pytest.approx(died.sum())
    at = np.array([365.0, 900.0])
    whole = hazard_sums(log_risk, days, died).cumulative(at)
    # Parts without a death are joined to their neighbours at each centre, not over all.
    assert np.allclose(np.exp(-total.summed().cumulative(at)), np.exp(-whole), atol=0.02)


@pytest.mark.parametrize("least", [1, 5, 20])
def test_every_different_number_has_enough_deaths_behind_it(least: int) -> None:
    """Months of one part have equal numbers; a part's sum over its months has the deaths."""
    log_risk, days, died = simulated(120, 3)
    sums = hazard_sums(log_risk, days, died, least)
    rows = np.column_stack([sums.deaths, sums.exposure])
    starts = np.flatnonzero(np.any(np.diff(rows, axis=0, prepend=np.inf), axis=1))
    for part in np.split(sums.deaths, starts[1:]):
        assert part.sum() == 0 or part.sum() >= least - 1e-9
    last = MONTH * np.flatnonzero(sums.seen)[-1]
    assert (days >= last).sum() >= least  # nobody's own follow-up shows
    counted = died[days < last + MONTH].sum()
    assert sums.deaths.sum() == pytest.approx(counted)


@pytest.mark.parametrize("died", [np.eye(9)[0], 1 - np.eye(9)[0]])
def test_a_centre_with_few_deaths_or_survivors_sends_nothing(died: np.ndarray) -> None:
    sums = hazard_sums(np.zeros(9), np.full(9, 50.0), died, least=2)
    assert not sums.deaths.any()
    assert not sums.exposure.any()
    assert np.array_equal(sums.cumulative(np.array([100.0])), [0.0])


def test_the_last_month_has_no_end() -> None:
    """One patient who dies after 200 months, at risk all along: 1 death in those days."""
    days = np.array([200 * MONTH])
    sums = hazard_sums(np.zeros(1), days, np.ones(1))
    assert sums.exposure.sum() == pytest.approx(days[0])
    assert sums.deaths[MONTHS - 1] == pytest.approx(1 / MONTHS)


def test_the_hazard_counts_days_from_a_delayed_entry() -> None:
    # Two at risk on days 0 to 30, one of them only from day 20: 30 + 10 days, and one death.
    days, died = np.array([30.0, 30.0]), np.array([1.0, 0.0])
    sums = hazard_sums(np.zeros(2), days, died, entered=np.array([0.0, 20.0]))
    assert sums.exposure[0] == pytest.approx(40.0)
    assert sums.cumulative(np.array([10.0]))[0] == pytest.approx(10 / 40)
