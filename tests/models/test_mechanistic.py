"""The mixture of mechanistic courses: exact over centres, right on courses of its own making."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution import EvolutionCase
from flame.models.mechanistic import (
    ALPHAS,
    EFFICACIES,
    FASTEST_MM_DAY,
    Course,
    Mechanistic,
    expectation_maximisation,
    parameter_grid,
    posterior,
    shrunken,
)
from tests.models.conftest import tumour_case

DAYS = (50, 120)


def made_by(parameters: np.ndarray, case: EvolutionCase, efficacy: float = 1.0) -> EvolutionCase:
    """``case`` with later masks as the model makes them."""
    radiation = case.treatment.phases[0].radiation
    seen = Course(case, {radiation: efficacy}).seen(parameters, DAYS)
    return replace(case, earlier=None,
                   later=tuple((d, s > 0.5) for d, s in zip(DAYS, seen, strict=True)))  # fmt: skip


def test_grid_keeps_fronts_slow() -> None:
    grid = parameter_grid()
    assert (2 * np.sqrt(grid[:, 0] * grid[:, 1]) <= FASTEST_MM_DAY).all()
    assert len(np.unique(grid, axis=0)) == len(grid)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_mixture_of_centres_is_the_pooled_one(seed: int, sizes: list[int]) -> None:
    rows = np.random.default_rng(seed).normal(0, 3, (sum(sizes), 3 * len(ALPHAS)))
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    (apart, apart_likelihood), (pooled, likelihood) = (
        expectation_maximisation(p) for p in (parts, [rows])
    )
    assert np.allclose(apart, pooled, atol=1e-12)
    assert apart_likelihood == pytest.approx(likelihood, rel=1e-12)


def test_posterior_by_hand() -> None:
    # Prior 1/4, 3/4 and likelihoods 3, 1: 3/4 against 3/4.
    found = posterior(np.log([[3.0, 1.0]]), np.array([0.25, 0.75]))
    assert found == pytest.approx(np.array([[0.5, 0.5]]))


def test_without_diffusion_a_course_of_photons_leaves_the_lq_fraction() -> None:
    # Growth off: exp(-0.02 * 30 * (2 + 2^2 / 8)) of the cells live on, and the dead clear.
    case = tumour_case(radius=30.0)
    live_and_dead = Course(case, {}).seen(np.array([1e-9, 1e-9, 0.02]), (2000,))[0]
    middle = live_and_dead[12, 12, 12]
    assert middle == pytest.approx(np.exp(-0.02 * 30 * 2.5), rel=0.02)


def test_finds_the_parameters_that_made_a_course() -> None:
    grid = parameter_grid()
    true = grid[3 * len(ALPHAS) + 4]
    model = Mechanistic()
    model.weights = np.full(len(grid), 1 / len(grid))
    found = model.parameters(made_by(true, tumour_case(radius=18.0)))
    for name, value in zip(("diffusion", "rate", "alpha"), true, strict=True):
        _, low, high = found[name]
        assert low * 0.7 <= value <= high * 1.4, name


def test_efficacy_of_an_ion_is_learned_and_not_invented() -> None:
    grid = parameter_grid()
    carbon = Treatment((Phase(Radiation.CARBON, 60.0, 30, biological=True),))
    chosen = [grid[k * len(ALPHAS) + 3] for k in (0, 2, 4)]
    photons = [made_by(p, tumour_case(f"a{n}", 16.0 + n)) for n, p in enumerate(chosen)]
    for true in (1.0, 1.5):
        carbons = [
            made_by(p, tumour_case(f"b{n}", 15.0 + n, treatment=carbon), true)
            for n, p in enumerate(chosen)
        ]
        model = Mechanistic()
        model.fit(photons + carbons)
        assert model.efficacy[Radiation.PROTON] == 1.0  # nobody had protons
        if true == 1.0:
            assert model.efficacy[Radiation.CARBON] == 1.0
        else:
            assert 1.2 < model.efficacy[Radiation.CARBON] < 1.9


def test_efficacy_stays_at_one_without_evidence() -> None:
    assert shrunken(np.zeros(len(EFFICACIES))) == 1.0
    strong = -50 * (np.log(EFFICACIES) - 0.3) ** 2
    assert shrunken(strong) == pytest.approx(np.exp(0.3), rel=0.05)
