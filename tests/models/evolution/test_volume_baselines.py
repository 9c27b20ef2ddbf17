"""Baselines on volumes whose course is known in closed form."""

import numpy as np
import pytest

from flame.models.evolution.model import EvolutionCase
from flame.models.evolution.volume_baselines import (
    CohortRate,
    Dilation,
    Gompertz,
    LastRate,
    Persistence,
)
from tests.helpers.tumours import ball, block, tumour_case


def exponential(rate: float) -> list[EvolutionCase]:
    return [
        tumour_case(
            tumour=block(v),
            day=0,
            history=((-30, block(v * np.exp(-30 * rate))),),
            later=tuple((d, block(v * np.exp(rate * d))) for d in (40, 100)),
        )
        for v in (10.0, 20.0, 40.0)
    ]


def test_cohort_rate_is_the_rate_of_exponential_growth() -> None:
    model = CohortRate()
    model.fit(exponential(0.01))
    assert model.rate == pytest.approx(0.01, rel=0.01)
    case = tumour_case(tumour=block(20), day=0)
    assert model.ml(case, 69) == pytest.approx(20 * np.exp(0.69), rel=0.01)


def test_last_rate_goes_on_as_the_tumour_did() -> None:
    model = LastRate()
    model.fit(exponential(0.01))
    fast = tumour_case(tumour=block(20), day=-10, history=((-30, block(20 * np.exp(-0.2))),))
    assert model.ml(fast, 40) == pytest.approx(20 * np.exp(0.01 * 50), rel=0.02)
    alone = tumour_case(tumour=block(20), day=0, history=())
    assert model.ml(alone, 50) == pytest.approx(20 * np.exp(0.5), rel=0.01)


def test_gompertz_finds_its_capacity_and_rate() -> None:
    def grown(v: float, day: int) -> float:
        return float(60 * np.exp(np.log(v / 60) * np.exp(-0.01 * day)))

    cases = [
        tumour_case(tumour=block(v), day=0, later=tuple((d, block(grown(v, d))) for d in (50, 150)))
        for v in (5.0, 15.0, 30.0)
    ]
    model = Gompertz()
    model.fit(cases)
    assert np.exp(model.capacity) == pytest.approx(60, rel=0.05)
    assert np.exp(model.log_a) == pytest.approx(0.01, rel=0.05)


def test_persistence_is_the_last_mask() -> None:
    model = Persistence()
    model.fit(exponential(0.0))
    case = tumour_case()
    (forecast,) = model.forecast(case, (60,))
    assert np.array_equal(forecast.mask, case.tumour)
    assert np.median(forecast.volumes) == pytest.approx(case.ml(case.tumour))


def test_dilation_grows_evenly_to_its_volume() -> None:
    model = Dilation()
    model.fit(exponential(0.01))
    case = tumour_case(later=())
    (forecast,) = model.forecast(case, (60,))
    assert not (case.tumour & ~forecast.mask).any()
    assert case.ml(forecast.mask) == pytest.approx(model.ml(case, 60), rel=0.05)
    assert case.ml(ball(15.0)) < model.ml(case, 60)
