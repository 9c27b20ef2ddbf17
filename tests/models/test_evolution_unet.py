"""Learned forecasts start as their prior and learn what the prior lacks."""

import numpy as np
import pytest

from flame.models.evolution_unet import Hybrid, LearnedEvolution, channels, numbers
from flame.models.mechanistic import Mechanistic
from tests.models.conftest import tumour_case


def test_before_learning_it_is_the_last_mask() -> None:
    case = tumour_case()
    (forecast,) = LearnedEvolution(steps=0, filters=4).forecast(case, (40,))
    assert np.array_equal(forecast.mask, case.tumour)


def test_before_learning_the_hybrid_is_the_mechanistic_forecast() -> None:
    cases = [tumour_case(f"p{n}", 13.0 + n) for n in range(3)]
    hybrid, alone = Hybrid(steps=0, filters=4), Mechanistic()
    hybrid.fit(cases)
    alone.fit(cases)
    for a, b in zip(hybrid.forecast(cases[0], (40, 90)), alone.forecast(cases[0], (40, 90)),
                    strict=True):  # fmt: skip
        inner = np.abs(b.probability - 0.5) < 0.48  # beyond, the logit is clipped
        assert np.allclose(a.probability[inner], b.probability[inner], atol=1e-5)
        assert np.array_equal(a.mask, b.mask)


def test_learns_growth_that_the_last_mask_lacks() -> None:
    cases = [tumour_case(f"p{n}", 12.0 + n) for n in range(6)]
    model = LearnedEvolution(steps=80, filters=8)
    model.fit(cases[:5])
    day, truth = cases[5].later[1]
    (forecast,) = model.forecast(cases[5], (day,))

    def dice(found: np.ndarray) -> float:
        return 2 * float((found & truth).sum() / (found.sum() + truth.sum()))

    assert dice(forecast.mask) > dice(cases[5].tumour) + 0.1


def test_numbers_by_hand() -> None:
    case = tumour_case()
    found = numbers(case, 90)
    # 100 days after the baseline, day 90, 60 Gy of photons in 2 Gy: BED 75 Gy at alpha/beta 8.
    assert found[[0, 1, 3, 4, 5, 6, 7]] == pytest.approx([1.0, 0.9, 1, 0, 0, 0.75, 1])
    image = channels(case, np.zeros(case.tumour.shape, np.float32))
    assert image[..., 2].max() > 0  # it has grown since the earlier image
    assert image.shape[-1] == 8
