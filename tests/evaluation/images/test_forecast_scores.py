"""Measures of forecasts, by hand and in closed form."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from flame.core.treatment import Phase, Radiation, Treatment
from flame.evaluation.images.forecast_scores import (
    MISSED_MM,
    Swap,
    changed_dice,
    crps,
    dice,
    evaluate,
    false_effects,
    gap,
    measures,
    new_growth_precision,
    sign_accuracy,
    surface,
    swaps,
)
from flame.models.evolution.model import EvolutionCase, Forecast
from flame.models.evolution.volume_baselines import Persistence
from tests.helpers.tumours import tumour_case


def cube(low: int, high: int, side: int = 16) -> np.ndarray:
    mask = np.zeros((side,) * 3, bool)
    mask[low:high, low:high, low:high] = True
    return mask


def case(later: np.ndarray, name: str = "p") -> EvolutionCase:
    empty = np.zeros((16, 16, 16), np.float32)
    treatment = Treatment((Phase(Radiation.PHOTON, 60, 30),))
    return EvolutionCase(
        name,
        "c",
        10.0,
        0,
        cube(4, 8),
        empty[..., None],
        empty,
        empty,
        empty + 60,
        treatment,
        later=((50, later),),
    )


def test_dice_of_halves_and_of_nothing() -> None:
    a, b = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert dice(a, b) == 0.5
    assert np.isnan(dice(~np.ones(4, bool), ~np.ones(4, bool)))


def test_changed_dice_by_hand() -> None:
    before, truth = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert changed_dice(before, truth, before) == 0  # the last mask again
    assert changed_dice(before, truth, truth) == 1
    # It changes voxels 1 and 3, the truth 1 and 2: one of two each.
    assert changed_dice(before, truth, np.array([1, 0, 0, 1], bool)) == 0.5
    assert np.isnan(changed_dice(before, before, truth))


def test_crps_of_a_normal_distribution() -> None:
    # Closed form (Gneiting 2007): s [z (2 F(z) - 1) + 2 f(z) - 1 / sqrt(pi)].
    samples = norm.ppf((np.arange(2000) + 0.5) / 2000, 10, 2)
    for truth in (7.0, 10.0, 13.5):
        z = (truth - 10) / 2
        expected = 2 * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
        assert crps(samples, truth) == pytest.approx(expected, abs=0.005)
    assert crps(np.array([3.0]), 5.0) == 2.0  # of a point it is the distance


def test_surface_of_a_shifted_cube() -> None:
    a, b = cube(4, 10), np.roll(cube(4, 10), 2, axis=0)
    hd95, near = surface(b, a, spacing=1.5)
    assert hd95 == pytest.approx(3.0)  # two voxels of 1.5 mm
    assert near == 1.0  # within the tolerance of 3 mm
    assert np.isnan(surface(a, np.zeros_like(a), 1.0)).all()
    assert surface(np.zeros_like(a), a, 1.0) == (MISSED_MM, 0.0)  # a tumour that is missed counts


def test_precision_of_new_growth() -> None:
    before, truth = cube(4, 8), cube(4, 9)
    perfect = Forecast(50, np.where(truth, 0.6, 0.1).astype(np.float32), np.ones(3))
    assert new_growth_precision(before, truth, perfect) == 1
    blind = Forecast(50, np.full(truth.shape, 0.5, np.float32), np.ones(3))
    share = (truth & ~before).sum() / (~before).sum()
    assert new_growth_precision(before, truth, blind) == pytest.approx(share)
    assert np.isnan(new_growth_precision(before, before, blind))


def test_measures_of_a_tumour_that_went() -> None:
    gone = np.zeros((16, 16, 16), bool)
    found = measures(case(gone), gone, Forecast(50, gone.astype(np.float32), np.zeros(5)))
    assert np.isnan(found["dice"])
    assert np.isnan(found["volume error"])
    assert found["changed dice"] == 1
    assert found["covered 90"] == 1


def test_rows_know_horizon_and_trend() -> None:
    model = Persistence()
    cases = [case(cube(4, 8), "a"), case(cube(3, 10), "b"), case(cube(5, 8), "c")]
    model.fit(cases)
    rows = evaluate(model, "persistence", cases)
    assert list(rows.trend) == ["stable", "grow", "shrink"]
    assert set(rows.horizon) == {"under 60 days"}
    assert rows.dice[0] == 1
    assert rows["changed dice"][1] == 0


def test_gap_is_paired() -> None:
    base = {"a": 0.2, "b": 0.9, "c": 0.5}
    rows = pd.DataFrame(
        [
            {"model": model, "seed": 0, "patient": p, "dice": v + shift}
            for p, v in base.items()
            for model, shift in (("new", 0.1), ("old", 0.0))
        ]
    )
    found = gap(rows, "new", "old", "dice")
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found.patients == 3


def test_swaps_by_hand() -> None:
    """True 20, 10 and 5 ml under photons, protons and carbon; forecast 20, 15 and 2 ml."""

    class Known:
        def forecast(self, case: EvolutionCase, days: tuple[int, ...]) -> list[Forecast]:
            middle = {Radiation.PHOTON: 20, Radiation.PROTON: 15, Radiation.CARBON: 2}[
                case.treatment.phases[0].radiation
            ]
            volumes = middle * np.linspace(0.5, 1.5, 41)
            return [Forecast(day, np.zeros((24,) * 3, np.float32), volumes) for day in days]

    def treated(radiation: Radiation, voxels: int) -> EvolutionCase:
        mask = np.zeros(24**3, bool)
        mask[:voxels] = True  # of 0.064 ml
        return tumour_case(
            treatment=Treatment((Phase(radiation, 60.0, 30),)),
            later=((50, mask.reshape((24,) * 3)),),
        )

    under = {r: treated(r, n) for r, n in zip(Radiation, (312, 156, 78), strict=True)}
    proton, carbon = swaps(Known(), under, 50)
    assert (proton.true, carbon.true) == pytest.approx((-0.5, -0.75))
    assert (proton.predicted, carbon.predicted) == pytest.approx((-0.25, -0.9))
    assert (proton.covered, carbon.covered) == (True, False)  # 10 within 8.25-21.75, 5 above 2.9


def test_signs_and_false_effects() -> None:
    pairs = ((-0.5, -0.1), (0.3, -0.2), (0.05, -0.9), (-0.2, -0.01))
    found = [Swap(Radiation.CARBON, *pair, covered=True) for pair in pairs]
    assert sign_accuracy(found) == (pytest.approx(2 / 3), 3)  # 0.05 is no true difference
    assert false_effects(found) == 0.5
    assert np.isnan(sign_accuracy([])[0])
