"""Conformal calibration covers what it says, on patients it has not seen."""

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.models.calibrated import (
    STRETCHES,
    TEMPERATURES,
    Calibrated,
    Sums,
    entropies,
    score,
    summed,
)
from flame.models.evolution import EvolutionCase, Forecast
from tests.models.conftest import SIDE, tumour_case


def block(ml: float) -> np.ndarray:
    mask = np.zeros(SIDE**3, bool)
    mask[: max(round(ml * 1000 / 64), 1)] = True
    return mask.reshape((SIDE,) * 3)


class Overconfident:
    """Says 20 ml within a few percent, whatever the case."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        pass

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        volumes = 20 * np.exp(np.linspace(-0.05, 0.05, 41))
        return [Forecast(d, np.full((SIDE,) * 3, 0.9, np.float32), volumes) for d in days]


def patient(ml: float) -> EvolutionCase:
    return tumour_case(later=((60, block(ml)),))


def test_covers_new_patients_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(40):
        cases = [patient(v) for v in 20 * np.exp(rng.normal(0, 0.5, 40))]
        model = Calibrated(Overconfident(), one_in=2)
        model.fit(cases)
        for ml in 20 * np.exp(rng.normal(0, 0.5, 10)):
            (forecast,) = model.forecast(patient(ml), (60,))
            low, high = forecast.interval(0.9)
            covered.append(low <= ml <= high)
    # 20 calibration cases: between 90 % and 95 %; 400 new ones have a standard error of 1.5 %.
    assert 0.86 <= np.mean(covered) <= 0.98


def test_score_is_one_at_the_edge_of_the_interval() -> None:
    forecast = Forecast(60, np.zeros(1, np.float32), 20 * np.exp(np.linspace(-1, 1, 41)))
    low, high = forecast.interval(0.9)
    assert score(forecast, high) == pytest.approx(1)
    assert score(forecast, low) == pytest.approx(1)
    assert score(forecast, 20.0) == pytest.approx(0, abs=1e-9)


def test_temperature_of_logits_that_are_twice_too_sure() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, 50_000)
    truth = rng.random(50_000) < 1 / (1 + np.exp(-logits))
    found = Sums(np.ones(len(STRETCHES)), entropies(2 * logits, truth)).calibration()
    assert found.temperature == pytest.approx(2, rel=0.06)  # the grid has steps of 10 %


def test_centres_together_calibrate_as_pooled_patients_would() -> None:
    rng = np.random.default_rng(3)
    cases = [patient(v) for v in 20 * np.exp(rng.normal(0, 0.5, 12))]
    apart = summed(Overconfident(), cases[:5]) + summed(Overconfident(), cases[5:])
    pooled = summed(Overconfident(), cases)
    assert np.array_equal(apart.counts, pooled.counts)
    assert apart.calibration() == pooled.calibration()


def test_stretch_is_the_conformal_quantile() -> None:
    # Ranks of 19 scores: the 18th of (19 + 1) * 0.9; on a grid of steps of 2.3 %.
    scores = np.arange(1, 20) / 4
    counts = np.bincount(np.searchsorted(STRETCHES, scores), minlength=len(STRETCHES))
    found = Sums(counts, np.zeros(len(TEMPERATURES))).calibration()
    assert 18 / 4 <= found.stretch <= 18 / 4 * 1.024


def test_too_few_patients_to_calibrate() -> None:
    with pytest.raises(BadInput, match="too few to learn from and to calibrate"):
        Calibrated(Overconfident()).fit([patient(20.0)] * 5)
