"""The wave against Fisher's equation, the growth solver and FLAIR images made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from flame.models.evolution.model import ball_radius
from flame.models.evolution.wave_front import (
    FLAIR_DENSITY,
    flair_likeness,
    front,
    local_diffusion,
    reach,
)
from flame.physics.growth import Growth, diffusivity, grow
from tests.helpers.tumours import SIDE, SPACING, ball, tumour_case

OLD = 1e12
"""Radius in mm of a tumour whose tail has formed."""


def test_front_solves_fishers_equation() -> None:
    # In units of sqrt(D / rho), z outward: u'' + 5 / sqrt(6) u' + u (1 - u) = 0.
    z = np.linspace(-6, 8, 1401)
    u = front((-z).astype(np.float64), 1.0, OLD).astype(np.float64)
    first = np.gradient(u, z)
    left = np.gradient(first, z) + 5 / np.sqrt(6) * first + u * (1 - u)
    assert np.abs(left[5:-5]).max() < 2e-3
    assert front(np.zeros(1, np.float32), 3.0, 10.0)[0] == pytest.approx(0.5)


def test_reach_by_hand() -> None:
    # (1 / sqrt(0.2) - 1) / (sqrt(2) - 1) = 2.984; sqrt(6) ln 2.984 = 2.678 widths.
    assert reach(0.2, 2.0, OLD) == pytest.approx(2 * 2.678, rel=1e-3)
    assert reach(0.2, 2.0, 15.0) < reach(0.2, 2.0, OLD)


def test_a_grown_tumour_has_that_edge() -> None:
    # Along x in white matter, seeded at one end: the solver's front from 0.5 to 0.2.
    growth, spacing, shape = Growth(0.1, 0.025), 0.5, (240, 7, 7)
    white = np.ones(shape, np.float32)
    cells = np.zeros(shape, np.float32)
    cells[:10] = 1
    d = diffusivity(white, 0 * white, growth)
    grown, _ = grow(cells, 0 * cells, d, growth, spacing, 700)
    profile = grown[1:-1, 3, 3]
    half, low = (np.interp(-level, -profile, np.arange(238) * spacing) for level in (0.5, 0.2))
    assert low - half == pytest.approx(reach(0.2, 2.0, OLD), rel=0.12)


def test_local_diffusion_is_that_of_the_tissue_at_the_contour() -> None:
    case = tumour_case()
    assert local_diffusion(case, front_distance()) == pytest.approx(1.0)
    half = np.full_like(case.white, 0.5)
    mixed = replace(case, white=half, grey=half)
    assert local_diffusion(mixed, front_distance()) == pytest.approx(0.55)


def front_distance() -> np.ndarray:
    index = (np.indices((SIDE,) * 3) - (SIDE - 1) / 2) * SPACING
    return np.asarray(15.0 - np.sqrt((index**2).sum(axis=0)), np.float32)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (250.0, -40.0)])
def test_the_width_that_flair_shows_is_the_likeliest(gain: float, offset: float) -> None:
    rng = np.random.default_rng(0)
    widths, true = np.array([0.5, 3.0, 6.0]), 3.0
    case = tumour_case(radius=20.0)
    edge = 20.0 + reach(FLAIR_DENSITY, true, ball_radius(case.ml(case.tumour)))
    image = ball(edge) + 0.3 * rng.normal(size=(SIDE,) * 3)
    images = np.stack([np.zeros_like(image), gain * image + offset], axis=-1).astype(np.float32)
    found = flair_likeness(replace(case, images=images), widths)
    assert widths[found.argmax()] == true


def test_without_flair_every_width_is_as_likely() -> None:
    assert np.array_equal(flair_likeness(tumour_case(), np.array([1.0, 4.0])), [0, 0])


def test_radius_of_a_ball() -> None:
    case = tumour_case(radius=20.0)
    assert ball_radius(case.ml(case.tumour)) == pytest.approx(20.0, rel=0.02)
