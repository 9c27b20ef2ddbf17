"""Learned forecasts start as their prior and learn what the prior lacks."""

from dataclasses import replace

import numpy as np
import pytest

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution_unet import Hybrid, UNetEvolution
from flame.models.mechanistic import VISIBLE
from tests.models.conftest import tumour_case


def test_before_learning_it_is_the_last_mask() -> None:
    case = tumour_case()
    (forecast,) = UNetEvolution(steps=0, filters=4).forecast(case, (40,))
    assert np.array_equal(forecast.mask, case.tumour)


def test_before_learning_the_hybrid_is_the_expected_density() -> None:
    cases = [tumour_case(f"p{n}", 13.0 + n) for n in range(3)]
    hybrid = Hybrid(steps=0, filters=4)
    hybrid.fit(cases)
    weights, seen = hybrid.mechanistic.ensemble(cases[0], (40, 90))
    for n, forecast in enumerate(hybrid.forecast(cases[0], (40, 90))):
        density = sum(w * s[n] for w, s in zip(weights, seen, strict=True))
        assert np.array_equal(forecast.mask, density >= VISIBLE)


def test_the_networks_part_of_a_hybrid_is_the_same_for_every_radiation() -> None:
    carbon = Treatment((Phase(Radiation.CARBON, 60.0, 30, biological=True),))
    hybrid = Hybrid(steps=3, filters=4)
    hybrid.fit([tumour_case(f"p{n}", 13.0 + n) for n in range(3)])
    case = tumour_case()
    half = replace(case, treatment=carbon, dose=case.dose / 2)
    for a, b in zip(hybrid.seen(case, (40, 90)), hybrid.seen(half, (40, 90)), strict=True):
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.numbers, b.numbers)
        assert not np.array_equal(a.prior, b.prior)


def test_learns_growth_that_the_last_mask_lacks() -> None:
    cases = [tumour_case(f"p{n}", 12.0 + n) for n in range(6)]
    model = UNetEvolution(steps=80, filters=8)
    model.fit(cases[:5])
    day, truth = cases[5].later[1]
    (forecast,) = model.forecast(cases[5], (day,))

    def dice(found: np.ndarray) -> float:
        return 2 * float((found & truth).sum() / (found.sum() + truth.sum()))

    assert dice(forecast.mask) > dice(cases[5].tumour) + 0.1


def test_what_the_network_sees_by_hand() -> None:
    (found,) = UNetEvolution(steps=0, filters=4).seen(tumour_case(methylated=1.0), (90,))
    # 100 days after the baseline, day 90, methylated, 60 Gy of photons in 2 Gy: BED 75 Gy.
    numbers = found.numbers[[0, 1, 3, 4, 5, 6, 7, 8]]
    assert numbers == pytest.approx([1.0, 0.9, 1.0, 1, 0, 0, 0.75, 1])
    assert found.image[..., 2].max() > 0  # it has grown since the earlier image
    assert found.image[..., -1] == pytest.approx(1.0)  # 60 of 60 Gy everywhere
    (unknown,) = UNetEvolution(steps=0, filters=4).seen(tumour_case(), (90,))
    assert unknown.numbers[3] == 0
