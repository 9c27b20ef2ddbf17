"""The mixture: exact over centres, by hand, and no effect of a radiation invented."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame.core.treatment import Radiation
from flame.models.evolution.mixture import (
    EFFICACIES,
    GROUPS,
    Trial,
    learned,
    posterior,
    reply,
    shrunken,
    step,
)

ALPHAS = 4


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_mixture_of_centres_is_the_pooled_one(seed: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    rows, groups = rng.normal(0, 3, (sum(sizes), 3 * ALPHAS)), rng.integers(GROUPS, size=sum(sizes))
    cuts = np.cumsum(sizes)[:-1]
    centres = list(zip(np.split(rows, cuts), np.split(groups, cuts), strict=True))

    def send(parts: list[tuple[np.ndarray, np.ndarray]], trials: list[Trial]) -> list:
        return [[reply(*part, trial) for trial in trials] for part in parts]

    apart = learned(lambda trials: send(centres, trials), ALPHAS)
    pooled = learned(lambda trials: send([(rows, groups)], trials), ALPHAS)
    assert np.allclose(apart.weights, pooled.weights, atol=1e-12)
    assert apart.efficacy == pooled.efficacy
    assert apart.weights.sum(axis=1) == pytest.approx(np.ones(GROUPS))


def test_posterior_by_hand() -> None:
    # Prior 1/4, 3/4 and likelihoods 3, 1: 3/4 against 3/4.
    found = posterior(np.log([[3.0, 1.0]]), np.array([0.25, 0.75]))
    assert found == pytest.approx(np.array([[0.5, 0.5]]))


def test_answer_by_hand() -> None:
    # Two patients of one group under even weights: likelihoods 3, 1 and 1, 1 over two sets.
    found = reply(np.log([[3.0, 1.0], [1.0, 1.0]]), np.array([1, 1]), Trial({}))
    assert found[1] == pytest.approx([0.75 + 0.5, 0.25 + 0.5, np.log(2) + np.log(1)])
    assert not found[[0, 2]].any()


def test_step_borrows_from_other_groups() -> None:
    sums = np.zeros((GROUPS, 2 * ALPHAS + 1))
    sums[0, 0], sums[1, ALPHAS - 1] = 10, 10
    weights, _ = step([sums], ALPHAS)
    first, second, third = weights.reshape(GROUPS, 2, ALPHAS).sum(axis=1) @ np.arange(ALPHAS)
    assert first < third < second  # nobody is in the third: it has all that is known
    assert third == pytest.approx((ALPHAS - 1) / 2)


def test_efficacy_stays_at_one_without_evidence() -> None:
    assert shrunken(np.zeros(len(EFFICACIES))) == 1.0
    weak = np.array([0.0, 0.0, 8.0])  # what a few patients give by chance
    assert shrunken(weak) == 1.0
    strong = -1000 * (np.log(EFFICACIES) - 0.3) ** 2
    assert shrunken(strong) == pytest.approx(EFFICACIES[2], rel=0.05)


def test_nobody_with_an_ion_says_nothing_of_it() -> None:
    rows = np.random.default_rng(0).normal(0, 3, (6, 2 * ALPHAS))
    groups = np.zeros(6, int)
    found = learned(lambda trials: [[reply(rows, groups, t) for t in trials]], ALPHAS)
    assert found.efficacy == {Radiation.PROTON: 1.0, Radiation.CARBON: 1.0}


@pytest.mark.parametrize(("true", "patients"), [(1 / 0.7, 40), (1.0, 40), (1 / 0.7, 2)])
def test_efficacy_is_learned_from_many_and_not_from_few(true: float, patients: int) -> None:
    # Patients whose log likelihood peaks at the radiosensitivity that made them; every second one
    # had carbon, which moves the peak by the log of its efficacy over the step of the grid.
    step_of_grid, groups = 0.3, np.zeros(2 * patients, int)
    made = 3 + np.arange(2 * patients) % 2 * np.log(true) / step_of_grid

    def rows(efficacy: float) -> np.ndarray:
        moved = np.arange(2 * patients) % 2 * np.log(efficacy) / step_of_grid
        index = np.tile(np.arange(8), 2)
        return -0.5 * ((index + moved[:, None] - made[:, None]) / 0.3) ** 2

    def send(trials: list[Trial]) -> list[list[np.ndarray]]:
        return [[reply(rows(t.efficacy.get(Radiation.CARBON, 1.0)), groups, t) for t in trials]]

    found = learned(send, 8).efficacy
    assert found[Radiation.PROTON] == 1.0
    expected = true if patients > 2 else 1.0
    assert found[Radiation.CARBON] == pytest.approx(expected, rel=0.05)
