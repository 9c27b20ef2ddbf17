"""Learned forecasts start as their prior and learn what the prior lacks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution.learned import (
    Hybrid,
    Seen,
    UNetEvolution,
    corrected_loss,
    shift,
    spread_around,
)
from flame.models.evolution.model import soft_voxels
from flame.models.segmentation.segmentation import masked_loss
from tests.helpers.tumours import SIDE, tumour_case


def test_before_learning_it_is_the_last_mask() -> None:
    case = tumour_case()
    (forecast,) = UNetEvolution(steps=0, filters=4).forecast(case, (40,))
    assert np.array_equal(forecast.mask, case.tumour)


def test_before_learning_the_hybrid_is_the_mechanistic_forecast() -> None:
    """Its volumes are those of the mechanistic model, and its mask has their median."""
    cases = [tumour_case(f"p{n}", 13.0 + n) for n in range(3)]
    hybrid = Hybrid(steps=0, filters=4)
    hybrid.fit(cases)
    theirs = hybrid.mechanistic.forecast(cases[0], (40, 90))
    for ours, other in zip(hybrid.forecast(cases[0], (40, 90)), theirs, strict=True):
        assert ours.volumes == pytest.approx(other.volumes)
        voxels = np.median(other.volumes) / cases[0].voxel_ml
        assert np.count_nonzero(ours.mask) == round(float(voxels))


@pytest.mark.parametrize("share", [0.0, 0.1, 3.0])
def test_mask_and_volumes_of_the_hybrid_agree_however_far_they_are(share: float) -> None:
    case = tumour_case(radius=20.0)
    prior = np.where(case.tumour, 6.0, -6.0).astype(np.float32)
    volumes = np.full(40, share * case.ml(case.tumour))
    seen = Seen(np.zeros((*case.tumour.shape, 7), np.float32), np.zeros(6), prior, volumes)
    p, kept = Hybrid(steps=0, filters=4).corrected(seen, np.zeros_like(prior), case.voxel_ml)
    assert kept is volumes
    assert np.count_nonzero(p >= 0.5) == round(share * np.count_nonzero(case.tumour))


def test_a_tumour_that_is_all_cells_has_a_logit(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.array([0.5, 0.5 + 2**-52])  # as rounding leaves them: a little over 1 together
    full = np.ones((SIDE,) * 3, np.float32)
    hybrid = Hybrid(steps=0, filters=4)
    monkeypatch.setattr(hybrid.mechanistic, "likely_sets", lambda c: (weights, np.arange(2)))
    monkeypatch.setattr(hybrid.mechanistic, "densities", lambda c, s, d: [(full, full)])
    monkeypatch.setattr(hybrid.mechanistic, "growth_before", lambda c: np.zeros(2))
    (forecast,) = hybrid.forecast(tumour_case(), (60,))
    assert forecast.mask.all()


@pytest.mark.slow
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


def test_volumes_spread_as_those_of_the_prior_and_by_the_network() -> None:
    prior = np.linspace(1.8, 2.2, 40) ** 3
    volumes = np.cbrt(spread_around(27.0, np.cbrt(prior) - np.median(np.cbrt(prior))))
    # Beside the prior, a normal error of the network: 0.2 in log volume, a third of it in the
    # radius, of 3. A larger tumour is as far off in mm.
    course = np.linspace(-0.2, 0.2, 40)
    network = 0.2 / 3 * 3 * norm.ppf((np.arange(40) + 0.5) / 40)
    expected = np.sign(network) * np.sqrt(course**2 + network**2)
    assert volumes - 3 == pytest.approx(expected, abs=1e-6)


def test_a_course_shifts_the_forecast_to_its_volume() -> None:
    distance = np.linspace(-30, 30, 25) * np.ones((25, 25, 1))
    prior, less = (np.clip((distance - away) / 5, -6, 6).astype(np.float32) for away in (0, 4))
    assert shift(prior, soft_voxels(expit(prior))) == pytest.approx(0, abs=1e-3)
    # 4 mm at 5 mm a unit of logit.
    assert shift(prior, soft_voxels(expit(less))) == pytest.approx(-0.8, abs=0.02)
    assert shift(prior, 0.0) == -3


@pytest.mark.slow
def test_under_a_stronger_course_the_hybrid_forecasts_less() -> None:
    hybrid = Hybrid(steps=5, filters=4)
    hybrid.fit([tumour_case(f"p{n}", 13.0 + n) for n in range(3)])
    case = tumour_case(radius=20.0)
    weak, strong = (replace(case, dose=case.dose * factor) for factor in (0.5, 1.0))
    medians = [np.median(hybrid.forecast(c, (90,))[0].volumes) for c in (weak, strong)]
    assert medians[0] > medians[1]


def test_what_changed_counts_in_the_loss() -> None:
    # Two of 64 voxels change. Nothing learned: the Dice of the change is 30 / (0 + 2 + 30).
    before, mask = np.zeros((1, 4, 4, 4, 1), np.float32), np.zeros((1, 4, 4, 4, 1), np.float32)
    before[0, 0], mask[0, 0], mask[0, 1, 0, :2] = 1, 1, 1
    prior = 60 * (before - 0.5)
    known = np.concatenate([mask, prior, before], axis=-1)
    added = np.zeros_like(mask)
    both = float(corrected_loss(known, added)) - float(masked_loss(mask, added + prior))
    assert both == pytest.approx(1 - 30 / 32, rel=1e-4)


@pytest.mark.slow
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
