"""Cox regression from sums: by hand, and against lifelines with ties, strata and penalties."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter

from flame.models.regression.cox import death_times, likelihood, risk_sums, stratum
from flame.models.regression.newton import Likelihood, Penalty, maximise


def test_three_patients_by_hand() -> None:
    # Deaths on days 1 and 2 with x = 1 and 0, the third (x = 2) censored on day 3, beta = 0:
    # log(1/3) + log(1/2); gradient (1 - 1) + (0 - 1); information 2/3 + 1.
    x, days, died = np.array([[1.0], [0.0], [2.0]]), np.array([1.0, 2, 3]), np.array([1.0, 1, 0])
    beta, times = np.zeros(1), death_times(days, died)
    found = likelihood(risk_sums(x, days, died, beta, times), beta)
    assert times.tolist() == [1, 2]
    assert found.value == pytest.approx(np.log(1 / 3) + np.log(1 / 2))
    assert found.gradient == pytest.approx([-1.0])
    assert found.information == pytest.approx(np.array([[2 / 3 + 1]]))


def test_tied_deaths_by_hand() -> None:
    # Two of three die on one day, beta = 0: Efron's terms are log 3 and log(3 - 1/2 * 2).
    x, days, died = np.zeros((3, 1)), np.array([1.0, 1, 2]), np.array([1.0, 1, 0])
    beta = np.zeros(1)
    found = likelihood(risk_sums(x, days, died, beta, np.array([1.0])), beta)
    assert found.value == pytest.approx(-np.log(3) - np.log(2))


def test_a_centre_where_nobody_died_adds_nothing() -> None:
    x, days, died, beta = np.ones((3, 2)), np.arange(3.0), np.zeros(3), np.ones(2)
    found = likelihood(risk_sums(x, days, died, beta, death_times(days, died)), beta)
    assert found.value == 0
    assert not found.gradient.any()
    assert not found.information.any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_the_short_way_gives_what_the_sums_give(seed: int, patients: int) -> None:
    rng = np.random.default_rng(seed)
    x, beta = rng.normal(size=(patients, 3)), rng.normal(size=3)
    days, died = rng.integers(1, 12, patients).astype(float), rng.integers(0, 2, patients) * 1.0
    slow = likelihood(risk_sums(x, days, died, beta, death_times(days, died)), beta)
    fast = stratum(x, days, died, beta)
    assert fast.value == pytest.approx(slow.value)
    assert fast.gradient == pytest.approx(slow.gradient)
    assert fast.information == pytest.approx(slow.information)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from([0.001, 0.1]), st.booleans())
def test_centres_together_find_what_lifelines_finds_on_pooled_patients(
    seed: int, stratified: bool, penalizer: float, late: bool
) -> None:
    rng = np.random.default_rng(seed)
    centre = rng.permutation(np.repeat([0, 1, 2], [40, 20, 7]))
    x = rng.normal(size=(67, 3))
    days = np.ceil(rng.exponential(np.exp(-x @ [0.8, -0.5, 0.0])) * 6)  # many ties
    died = (rng.random(67) < 0.7).astype(float)
    died[np.unique(centre, return_index=True)[1]] = 1
    scaled = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    entered = np.floor(rng.random(67) * days) * late  # half a dozen and more enter before day 1
    parts = [(scaled[centre == c], days[centre == c], died[centre == c]) for c in range(3)]
    entries = [entered[centre == c] for c in range(3)]

    def strata(beta: np.ndarray) -> Likelihood:
        each = [stratum(*p, beta, e) for p, e in zip(parts, entries, strict=True)]
        return each[0] + each[1] + each[2]

    def together(beta: np.ndarray) -> Likelihood:
        times = death_times(days, died)
        each = [risk_sums(*p, beta, times, e) for p, e in zip(parts, entries, strict=True)]
        return likelihood(each[0] + each[1] + each[2], beta)

    at = strata if stratified else together
    penalty = Penalty(np.full(3, penalizer * 67), np.zeros(3))
    (beta,), _ = maximise(lambda betas: [at(b) for b in betas.values()], [penalty])
    table = pd.DataFrame(x, columns=["x", "y", "z"]).assign(days=days, died=died, centre=centre)
    table["entered"] = entered
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = CoxPHFitter(penalizer=penalizer).fit(
            table,
            "days",
            "died",
            strata=["centre"] if stratified else None,
            formula="x + y + z",
            entry_col="entered" if late else None,
            fit_options={"precision": 1e-12},
        )
    assert beta / x.std(axis=0, ddof=1) == pytest.approx(expected.params_.to_numpy(), abs=1e-6)
