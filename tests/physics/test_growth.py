"""The growth solver against what the equation says in closed form."""

import numpy as np
import pytest

from flame.physics.growth import Growth, diffusivity, grow

SHAPE = (41, 41, 41)


def uniform(value: float) -> np.ndarray:
    return np.full(SHAPE, value, np.float32)


def seeded(width: int = 1, density: float = 0.5) -> np.ndarray:
    cells = np.zeros(SHAPE, np.float32)
    cells[tuple(slice(20 - width, 21 + width) for _ in range(3))] = density
    return cells


def test_without_growth_mass_is_conserved() -> None:
    d = uniform(0.1)
    cells, _ = grow(seeded(), uniform(0), d, Growth(0.1, 0.0), 1.0, days=20)
    assert cells.sum() == pytest.approx(seeded().sum(), rel=2e-3)


def heat(spacing: float, steps: int, days: int = 20) -> float:
    """Largest error against the closed form of a spreading Gaussian, D = 0.5 mm2/day."""
    axis = (np.arange(round(80 / spacing) + 1) - round(40 / spacing)) * spacing
    squared = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    start = np.exp(-squared / (2 * 36)).astype(np.float32)
    d = np.full(start.shape, 0.5, np.float32)
    growth = Growth(0.5, 0.0)
    found, _ = grow(start, np.zeros_like(start), d, growth, spacing, days, steps=steps)
    variance = 36 + 2 * 0.5 * days
    expected = (36 / variance) ** 1.5 * np.exp(-squared / (2 * variance))
    return float(np.abs(found - expected).max())


def test_converges_with_the_square_of_the_grid() -> None:
    coarse, middle, fine = heat(4.0, 64), heat(2.0, 64), heat(1.0, 64)
    assert coarse / middle == pytest.approx(4, rel=0.15)
    assert middle / fine == pytest.approx(4, rel=0.15)


def test_converges_with_the_time_step() -> None:
    def end(steps: int) -> np.ndarray:
        growth = Growth(0.1, 0.1)
        return grow(seeded(4), uniform(0), uniform(0.1), growth, 1.0, days=20, steps=steps)[0]

    exact = end(64)
    errors = [np.abs(end(steps) - exact).max() for steps in (1, 2, 4)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.15)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.15)


def explicit(c: np.ndarray, d: np.ndarray, rate: float, steps: int) -> np.ndarray:
    """The same scheme in float64 on the whole array, written with rolled copies."""
    d = d.astype(float)
    d[[0, -1]] = d[:, [0, -1]] = d[:, :, [0, -1]] = 0
    c = np.where(d > 0, c, 0).astype(float)
    for _ in range(steps):
        change = rate * c * (1 - c)
        for axis in range(3):
            for sign in (-1, 1):
                dn, cn = np.roll(d, sign, axis), np.roll(c, sign, axis)
                change += np.where((d > 0) & (dn > 0), (d + dn) / 2 * (cn - c), 0)
        c = c + change
    return c


def test_equals_the_scheme_without_box_in_double_precision() -> None:
    rng = np.random.default_rng(0)
    d = rng.uniform(0.01, 0.14, SHAPE).astype(np.float32)
    d[rng.random(SHAPE) < 0.2] = 0  # holes: no flux into them
    found, _ = grow(seeded(2), uniform(0), d, Growth(0.14, 0.05), 1.0, days=60, steps=1)
    expected = explicit(seeded(2), d, 0.05, 60)
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-3
    assert not found[d == 0].any()


def test_mass_is_conserved_between_holes() -> None:
    rng = np.random.default_rng(1)
    d = rng.uniform(0.01, 0.14, SHAPE).astype(np.float32)
    d[rng.random(SHAPE) < 0.2] = 0
    start = seeded(2) * (d > 0)
    found, _ = grow(start, uniform(0), d, Growth(0.14, 0.0), 1.0, days=30)
    assert found.sum() == pytest.approx(start.sum(), rel=1e-3)


def test_without_diffusion_growth_is_logistic() -> None:
    d = np.where(seeded() > 0, np.float32(1e-8), 0).astype(np.float32)
    cells, _ = grow(seeded(density=0.1), uniform(0), d, Growth(1e-8, 0.05), 1.0, days=40)
    expected = 1 / (1 + 9 * np.exp(-0.05 * 40))  # logistic from 0.1
    assert cells[20, 20, 20] == pytest.approx(expected, rel=0.03)


def test_front_moves_at_the_speed_the_scheme_must_have() -> None:
    # The equation's front runs at 2 sqrt(D rho) = 0.2 mm/day. On a grid of 1 mm and 1 day the
    # linear front e^(-k x) runs at the least of ln(1 + rho + 2 D (cosh k - 1)) / k, 5 % slower,
    # reached from below by 3/2 sqrt(D/rho) ln(t2/t1)/(t2 - t1) (Bramson 1983).
    k = np.linspace(0.5, 1.5, 1001)
    discrete = (np.log(1.1 + 0.2 * (np.cosh(k) - 1)) / k).min()
    assert discrete == pytest.approx(0.2, rel=0.06)
    expected = discrete - 1.5 * np.log(2) / 150
    shape, growth = (160, 7, 7), Growth(0.1, 0.1)
    cells = np.zeros(shape, np.float32)
    cells[:10] = 1
    d = np.full(shape, 0.1, np.float32)
    none = np.zeros(shape, np.float32)
    fronts = []
    for _ in range(2):
        cells, _ = grow(cells, none, d, growth, 1.0, days=150)
        fronts.append(np.interp(-0.5, -cells[1:, 3, 3], np.arange(1, 160)))
    speed = (fronts[1] - fronts[0]) / 150
    assert speed == pytest.approx(expected, rel=0.01)


def test_growth_is_symmetric() -> None:
    cells, _ = grow(seeded(), uniform(0), uniform(0.1), Growth(0.1, 0.05), 1.0, days=15)
    assert np.allclose(cells, cells[::-1], atol=1e-6)
    assert np.allclose(cells, cells.transpose(2, 1, 0), atol=1e-6)


def test_a_fraction_kills_into_the_dead_compartment_which_clears() -> None:
    growth = Growth(1e-8, 0.0, clearance_days=10)
    d = np.where(seeded() > 0, np.float32(1e-8), 0).astype(np.float32)
    kill = {0: uniform(0.6)}
    live, dead = grow(seeded(), uniform(0), d, growth, 1.0, days=10, survival=kill)
    assert live[20, 20, 20] == pytest.approx(0.5 * 0.6, rel=1e-4)
    assert dead[20, 20, 20] == pytest.approx(0.5 * 0.4 * 0.5, rel=1e-4)  # one half-life


def test_no_tissue_no_cells() -> None:
    white, grey = uniform(0), uniform(0)
    white[:20] = 1
    d = diffusivity(white, grey, Growth(0.1, 0.05))
    cells, _ = grow(seeded(), uniform(0), d, Growth(0.1, 0.05), 1.0, days=30)
    assert not cells[21:].any()
    assert cells[:20].any()
