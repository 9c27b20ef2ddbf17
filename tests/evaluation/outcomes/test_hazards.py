"""Proportional hazards hold where they were simulated so, and not where the effect vanishes."""

import numpy as np

from flame.evaluation.outcomes.hazards import hazard_section, proportionality
from flame.evaluation.outcomes.out_of_fold import Predictions
from flame.models.response.inputs import Inputs


def centre(days: np.ndarray, died: np.ndarray) -> Inputs:
    empty = np.zeros((len(days), 0), np.float32)
    nobody = np.full(len(days), np.nan, np.float32)
    names = tuple(map(str, range(len(days))))
    return Inputs("A", names, empty, empty.astype(float), empty, nobody, days, died)


def test_a_constant_effect_passes_and_a_vanishing_one_does_not() -> None:
    """In the second, the risk doubles the hazard in the first 100 days, and halves it after."""
    rng = np.random.default_rng(0)
    small = 0
    for _ in range(60):
        risk = rng.normal(size=120)
        constant = rng.exponential(300 / np.exp(0.7 * risk))
        small += proportionality(risk, centre(constant, np.ones(120))) < 0.05
    assert small <= 9  # 3 are expected; more than 9 have a probability of 0.1 %
    risk = rng.normal(size=600)
    early = rng.exponential(300 / np.exp(0.7 * risk))
    late = 100 + rng.exponential(300 * np.exp(0.7 * risk))
    assert proportionality(risk, centre(np.where(early < 100, early, late), np.ones(600))) < 1e-4


def test_few_deaths_or_a_constant_risk_are_not_tested() -> None:
    days = np.arange(1.0, 21)
    assert np.isnan(proportionality(np.arange(20.0), centre(days, np.zeros(20))))
    assert np.isnan(proportionality(np.zeros(20), centre(days, np.ones(20))))


def test_the_section_by_hand() -> None:
    """20 deaths, one a day, on days 1 to 20: the median is day 10; nobody is left at two years."""
    days = np.arange(1.0, 21)
    inputs = centre(days, np.ones(20))
    predicted = Predictions("federated", ("A",), "A", days[None], np.zeros((1, 20), int))
    (row,) = hazard_section([predicted], [inputs]).rows
    assert row[0] == "A"
    assert str(row[1]).startswith("10 (")
    assert row[2] == "10"  # the mean of 1 to 20 is 10.5, which rounds to even
