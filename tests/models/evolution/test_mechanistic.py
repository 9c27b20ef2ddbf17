"""Mechanistic courses: physics in closed form, parameters found on courses of its own making."""

from dataclasses import replace

import numpy as np
import pytest

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution.mechanistic import (
    ALPHAS,
    FASTEST_MM_DAY,
    Course,
    Mechanistic,
    parameter_grid,
)
from flame.models.evolution.mixture import GROUPS, Mixture
from flame.models.evolution.model import EvolutionCase
from flame.physics.radiobiology import ALPHA_BETA
from tests.helpers.tumours import ball, tumour_case

DAYS = (50, 120)
SETS = len(parameter_grid())
EVEN = Mixture(np.full((GROUPS, SETS), 1 / SETS))


def made_by(parameters: np.ndarray, case: EvolutionCase, efficacy: float = 1.0) -> EvolutionCase:
    """``case`` with later masks as the model makes them."""
    radiation = case.treatment.phases[0].radiation
    seen = Course(case, {radiation: efficacy}).seen(parameters, DAYS)
    return replace(
        case, history=(), later=tuple((d, s > 0.5) for d, s in zip(DAYS, seen, strict=True))
    )


def test_grid_keeps_fronts_slow() -> None:
    grid = parameter_grid()
    assert (2 * np.sqrt(grid[:, 0] * grid[:, 1]) <= FASTEST_MM_DAY).all()
    assert len(np.unique(grid, axis=0)) == len(grid)


def test_grid_is_spread_evenly_and_known_by_its_place() -> None:
    # First point of the sequence, from its definition: 0.5 + 1/g and 0.5 + 1/g^2 modulo 1 with
    # g^3 = g + 1, on the logarithmic ranges.
    g = np.roots([1, 0, -1, -1]).real.max()
    place = (0.5 + np.array([1 / g, 1 / g**2])) % 1
    expected = [0.01 * 25 ** place[0], 0.002 * 30 ** place[1]]
    assert parameter_grid()[0, :2] == pytest.approx(expected)
    logs = np.log(parameter_grid()[:: len(ALPHAS), :2])
    nearest = [np.sort(np.linalg.norm(logs - p, axis=1))[1] for p in logs]
    assert min(nearest) > 0.1


def test_days_out_of_order_are_refused() -> None:
    with pytest.raises(BadInput, match="must ascend"):
        Mechanistic(EVEN).forecast(tumour_case(), (90, 30))


def test_without_diffusion_a_course_of_photons_leaves_the_lq_fraction() -> None:
    # Growth off: exp(-0.02 * 30 * (2 + 2^2 / 8)) of the cells live on, and the dead clear.
    case = tumour_case(radius=30.0)
    live_and_dead = Course(case, {}).seen(np.array([1e-9, 1e-9, 0.02]), (2000,))[0]
    middle = live_and_dead[12, 12, 12]
    assert middle == pytest.approx(np.exp(-0.02 * 30 * 2.5), rel=0.02)


def test_finds_the_parameters_that_made_a_course() -> None:
    grid = parameter_grid()
    true = grid[3 * len(ALPHAS) + 4]
    model = Mechanistic(EVEN)
    found = model.parameters(made_by(true, tumour_case(radius=18.0)))
    for name, value in zip(("diffusion", "rate", "alpha"), true, strict=True):
        _, low, high = found[name]
        assert low * 0.7 <= value <= high * 1.4, name


def test_no_interval_is_narrower_than_the_grid() -> None:
    weights = np.full((GROUPS, SETS), 1e-200)
    weights[:, 12] = 1
    found = Mechanistic(Mixture(weights)).parameters(tumour_case(history=(), later=()))
    middle, low, high = found["alpha"]
    assert middle == pytest.approx(ALPHAS[12 % len(ALPHAS)])
    # Uniform over a factor of 1.35 about it: 5 % lie below 1.35^-0.45.
    assert (low / middle, high / middle) == pytest.approx((1.35**-0.45, 1.35**0.45), rel=0.02)


def test_growth_is_told_from_what_came_before_radiotherapy() -> None:
    model = Mechanistic(EVEN)
    slow, fast = (tumour_case(radius=18.0, history=((-40, ball(r)),)) for r in (17.0, 12.0))
    assert (model.growth_before(slow) < model.growth_before(fast)).all()
    later = replace(slow, later=((60, ball(40.0)),))
    assert np.array_equal(model.growth_before(slow), model.growth_before(later))


@pytest.mark.slow
def test_no_effect_of_an_ion_is_invented() -> None:
    grid = parameter_grid()
    carbon = Treatment((Phase(Radiation.CARBON, 60.0, 30, biological=True),))
    chosen = [grid[k * len(ALPHAS) + 3] for k in (0, 2, 4)]
    photons = [made_by(p, tumour_case(f"a{n}", 16.0 + n)) for n, p in enumerate(chosen)]
    carbons = [
        made_by(p, tumour_case(f"b{n}", 15.0 + n, treatment=carbon)) for n, p in enumerate(chosen)
    ]
    model = Mechanistic()
    model.fit(photons + carbons)
    assert model.mixture.efficacy == {Radiation.PROTON: 1.0, Radiation.CARBON: 1.0}


@pytest.mark.slow
def test_methylated_tumours_are_found_to_be_more_sensitive() -> None:
    grid = parameter_grid()
    cases = [
        replace(
            made_by(grid[k * len(ALPHAS) + 3 + 3 * m], tumour_case(f"{k}{m}", 14.0 + k)),
            methylated=float(m),
        )
        for k in range(3)
        for m in (0, 1)
    ]
    model = Mechanistic()
    model.fit(cases)
    by_alpha = model.mixture.weights.reshape(GROUPS, -1, len(ALPHAS)).sum(axis=1)
    unmethylated, methylated, unknown = by_alpha @ np.arange(len(ALPHAS))
    assert unmethylated + 1 < methylated
    assert unmethylated < unknown < methylated


def test_a_boost_kills_where_it_was_given_only() -> None:
    """The dose of each phase counts, not the shape of their sum."""
    course = Treatment(
        (
            Phase(Radiation.PHOTON, 50.0, 25),
            Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True),
        )
    )
    case = tumour_case(treatment=course)
    boost = np.zeros_like(case.dose)
    boost[: boost.shape[0] // 2] = 18.0
    phases = np.stack([np.full_like(boost, 50.0), boost])
    case = replace(case, dose=phases.sum(axis=0), phase_doses=phases)
    (photons, _), (carbon, _) = Course(case, {}).kills
    assert np.allclose(photons, 2 + 2**2 / ALPHA_BETA)  # d + d² / (alpha / beta), d = 2 Gy
    assert carbon.max() == pytest.approx(3 + 3**2 / ALPHA_BETA)
    assert carbon.min() == 0
    spread = Course(replace(case, phase_doses=None), {}).kills[1][0]
    assert spread.min() > 0  # with one shape for all phases carbon would be everywhere
