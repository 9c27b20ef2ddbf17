"""What every registered evolution model promises, and the pieces they share."""

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.models.evolution import volume_baselines  # noqa: F401  (registers the models)
from flame.models.evolution.model import (
    EVOLUTION_MODELS,
    EvolutionCase,
    EvolutionModel,
    VolumeErrors,
    around,
    matched,
    signed_distance,
    volumes_of,
)
from tests.helpers.tumours import ball, tumour_case

DAYS = (30, 90, 150)


def model_of(name: str) -> EvolutionModel:
    """A model of the registry, a learned one with few steps."""
    learned = name in ("U-Net", "hybrid")
    return EVOLUTION_MODELS[name](steps=3, filters=4) if learned else EVOLUTION_MODELS[name]()


@pytest.mark.parametrize("name", list(EVOLUTION_MODELS))
def test_evolution_model(name: str, cohort: list[EvolutionCase]) -> None:
    before = [(c.tumour.copy(), c.dose.copy()) for c in cohort]
    first, second = (model_of(name) for _ in range(2))
    first.fit(cohort[:4])
    second.fit(cohort[:4])
    case = cohort[4]
    found, again = first.forecast(case, DAYS), second.forecast(case, DAYS)
    assert [f.day for f in found] == list(DAYS)
    for one, same in zip(found, again, strict=True):
        assert one.probability.shape == case.tumour.shape
        assert one.probability.dtype == np.float32
        assert 0 <= one.probability.min() <= one.probability.max() <= 1
        assert np.isfinite(one.volumes).all()
        assert (one.volumes >= 0).all()
        low, high = one.interval(0.9)
        assert low <= np.median(one.volumes) <= high
        assert np.array_equal(one.probability, same.probability), "not repeatable"
        assert np.array_equal(one.volumes, same.volumes), "not repeatable"
    for case, (tumour, dose) in zip(cohort, before, strict=True):
        assert np.array_equal(case.tumour, tumour), "input mutated"
        assert np.array_equal(case.dose, dose), "input mutated"


@pytest.mark.parametrize("name", [n for n in EVOLUTION_MODELS if n not in ("U-Net", "hybrid")])
def test_uncertainty_grows_with_time(name: str, cohort: list[EvolutionCase]) -> None:
    model = model_of(name)
    model.fit(cohort[:4])
    soon, late = model.forecast(cohort[5], (5, 170))
    spread = [np.ptp(np.log(np.maximum(f.volumes, 1e-3))) for f in (soon, late)]
    assert spread[0] <= spread[1] + 1e-9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tumour": np.zeros((24, 24, 24), bool)}, "no tumour mask to start from"),
        ({"later": ((-20, ball(15)),)}, "follow-up lies before the baseline"),
        ({"history": ((-10, ball(12)),)}, "earlier image is not before the baseline"),
    ],
)
def test_what_cannot_be_forecast_says_so(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        tumour_case(**changes)


@pytest.mark.parametrize(
    ("dose", "message"),
    [
        (None, "no dose: add the RT Dose"),
        (np.zeros((24, 24, 24), np.float32), "covers 0% of the tumour"),
        (np.where(np.arange(24) < 12, 2, 0) * np.ones((24, 24, 24), np.float32), "covers 5"),
        (np.ones((24, 24, 24), np.float32), ""),
    ],
)
def test_what_the_dose_lacks_is_said(dose: np.ndarray | None, message: str) -> None:
    told = tumour_case(dose=dose).untold_dose
    assert message in told
    assert bool(told) == bool(message)
    assert tumour_case(dose=dose, treatment=None).untold_dose == ""  # nothing lies ahead


@pytest.mark.parametrize("ml", [0.0, 2.0, 14.0, 50.0])
def test_matched_mask_has_the_volume_asked_for(ml: float) -> None:
    case = tumour_case()
    found = matched(case.tumour, case.spacing, ml)
    assert case.ml(found) == pytest.approx(ml, abs=case.spacing**3 / 1000)
    smaller = found if ml < case.ml(case.tumour) else case.tumour
    larger = case.tumour if ml < case.ml(case.tumour) else found
    assert not (smaller & ~larger).any()


def test_volumes_of_nested_masks_by_hand() -> None:
    # 1 ml for sure, 2 ml more with a chance of 40 %: 1 ml in 60 % of cases, else 3 ml.
    probability = np.zeros((10, 10, 50), np.float32)
    probability[:, :, :10], probability[:, :, 10:30] = 1.0, 0.4
    found = volumes_of(probability, 1.0)
    assert np.isclose(found, 1.0).mean() == pytest.approx(0.6, abs=0.03)
    assert np.isclose(found, 3.0).mean() == pytest.approx(0.4, abs=0.03)
    assert (np.diff(found) >= 0).all()


def test_signed_distance_of_a_slab() -> None:
    mask = np.zeros((10, 4, 4), bool)
    mask[:5] = True
    found = signed_distance(mask, 2.0)[:, 0, 0]
    assert found.tolist() == [9, 7, 5, 3, 1, -1, -3, -5, -7, -9]  # mm to the face between 4 and 5
    assert np.isneginf(signed_distance(np.zeros((3, 3, 3), bool), 1.0)).all()
    assert around(np.array([0.0]), 2.0)[0] == 0.5


def test_volume_errors_of_a_random_walk() -> None:
    rng = np.random.default_rng(0)
    elapsed = rng.uniform(20, 200, 4000)
    errors = VolumeErrors()
    errors.fit(rng.normal(0, 0.4, 4000) * np.sqrt(elapsed / 100), elapsed, 4000)
    assert errors.spread == pytest.approx(0.4, rel=0.05)
    # After 400 days the standard deviation is twice that after 100: a 90 % range of +-1.645 * 0.8.
    low, high = np.quantile(np.log(errors.samples(10.0, 400) / 10), [0.05, 0.95])
    assert high == pytest.approx(1.645 * 0.8, rel=0.1)
    assert low == pytest.approx(-1.645 * 0.8, rel=0.1)
