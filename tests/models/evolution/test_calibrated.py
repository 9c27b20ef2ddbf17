"""Conformal calibration covers what it says, on patients it has not seen."""

from dataclasses import replace

import numpy as np
import pytest

from flame.models.evolution.calibrated import (
    STRETCHES,
    TEMPERATURES,
    Calibrated,
    Calibration,
    Sums,
    entropies,
    score,
    summed,
)
from flame.models.evolution.model import EvolutionCase, Forecast
from tests.helpers.tumours import SIDE, block, tumour_case


class Overconfident:
    """Says 20 ml within a few percent, whatever the case."""

    def fit(self, cases: list[EvolutionCase]) -> None:
        pass

    def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
        volumes = 20 * np.exp(np.linspace(-0.05, 0.05, 41))
        return [Forecast(d, np.full((SIDE,) * 3, 0.9, np.float32), volumes) for d in days]


def patient(ml: float) -> EvolutionCase:
    return tumour_case(later=((60, block(ml)),))


@pytest.mark.slow
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
    # 20 calibration cases: 90 % or more; 400 new ones have a standard error of 1.5 %.
    assert 0.86 <= np.mean(covered) <= 0.98


def test_every_centre_both_learns_and_calibrates() -> None:
    # Patients that come in turn from three centres: counting through them all, every third one
    # would be of one centre.
    cases = [replace(patient(10.0), centre=f"c{n % 3}") for n in range(18)]
    learning, held = Calibrated(Overconfident(), one_in=3).split(cases)
    assert [sum(c.centre == f"c{k}" for c in held) for k in range(3)] == [2, 2, 2]
    assert [sum(c.centre == f"c{k}" for c in learning) for k in range(3)] == [4, 4, 4]
    assert not {id(c) for c in learning} & {id(c) for c in held}


def test_score_is_one_at_the_edge_of_the_interval() -> None:
    forecast = Forecast(60, np.zeros(1, np.float32), 20 * np.exp(np.linspace(-1, 1, 41)))
    low, high = forecast.interval(0.9)
    assert score(forecast, high) == (True, pytest.approx(1))
    assert score(forecast, low) == (False, pytest.approx(1))
    assert score(forecast, 20.0)[1] == pytest.approx(0, abs=1e-9)


def test_temperature_of_logits_that_are_twice_too_sure() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, 50_000)
    truth = rng.random(50_000) < 1 / (1 + np.exp(-logits))
    found = Sums(np.ones((2, len(STRETCHES))), entropies(2 * logits, truth)).calibration()
    assert found.temperature == pytest.approx(2, rel=0.06)  # the grid has steps of 10 %


def test_centres_together_calibrate_as_pooled_patients_would() -> None:
    rng = np.random.default_rng(3)
    cases = [patient(v) for v in 20 * np.exp(rng.normal(0, 0.5, 12))]
    apart = summed(Overconfident(), cases[:5]) + summed(Overconfident(), cases[5:])
    pooled = summed(Overconfident(), cases)
    assert np.array_equal(apart.counts, pooled.counts)
    assert apart.calibration() == pooled.calibration()


def test_stretch_is_the_conformal_quantile_of_each_side() -> None:
    # Ranks of 39 scores: the 38th of (39 + 1) * 0.95; on a grid of steps of 2.3 %.
    scores = np.arange(1, 40) / 8
    below = np.bincount(np.searchsorted(STRETCHES, scores), minlength=len(STRETCHES))
    above = np.bincount(np.searchsorted(STRETCHES, 2 * scores), minlength=len(STRETCHES))
    found = Sums(np.array([below, above]), np.zeros(len(TEMPERATURES))).calibration()
    assert 38 / 8 <= found.low <= 38 / 8 * 1.024
    assert 38 / 4 <= found.high <= 38 / 4 * 1.024


def test_sides_are_stretched_apart() -> None:
    forecast = Forecast(
        60, np.full((2, 2, 2), 0.5, np.float32), 20 * np.exp(np.linspace(-1, 1, 41))
    )
    found = Calibration(low=2.0, high=0.5).apply(forecast, 1e6)
    low, high = np.log(np.array(found.interval(0.9)) / 20)
    assert low == pytest.approx(2 * -0.9, abs=0.01)
    assert high == pytest.approx(0.5 * 0.9, abs=0.01)
    assert found.probability == pytest.approx(0.5)


@pytest.mark.parametrize(("patients", "ends"), [(18, False), (19, True)])
def test_the_band_has_no_end_where_the_rank_exceeds_the_patients(patients: int, ends: bool) -> None:
    """ceil((18 + 1) 0.95) = 19 exceeds 18; ceil((19 + 1) 0.95) = 19 does not exceed 19."""
    counts = np.zeros((2, len(STRETCHES)))
    counts[:, 100] = patients
    found = Sums(counts, np.zeros(len(TEMPERATURES))).calibration()
    forecast = Forecast(
        60, np.full((1, 1, 1), 0.5, np.float32), 20 * np.exp(np.linspace(-1, 1, 41))
    )
    calibrated = found.apply(forecast, 1e6)
    low, high = calibrated.interval(0.9)
    assert (np.isfinite(high) and low > 0) == ends
    if not ends:
        assert (low, high) == (0, np.inf)
        assert np.allclose(calibrated.volumes, forecast.volumes)  # still the model's own
        assert calibrated.interval(0.5) == pytest.approx(forecast.interval(0.5))
