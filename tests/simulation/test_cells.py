"""The world of single cells: conservation, closed forms of chance, and no word of the models."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flame.core.treatment import Radiation
from flame.simulation import cells
from flame.simulation.cells import Brain, Person, Tumour

SHAPE = (16, 16, 16)
QUIET = Person(0.0, 0.5, 0.06, 0.0, 0.0, 0.0, 1.0, methylated=False, bias=(1.0,))


def brain(rng: np.random.Generator) -> Brain:
    white = np.ones(SHAPE)
    white[:4] = 0  # fluid
    return Brain(white, np.zeros(SHAPE), rng)


def tumour(**counts: int) -> Tumour:
    state = {n: np.zeros(SHAPE, np.int64) for n in ("growing", "moving", "doomed", "dead")}
    for name, count in counts.items():
        state[name][8, 8, 8] = count
    return Tumour(**state, leak=np.zeros(SHAPE))


def test_it_imports_nothing_of_the_models() -> None:
    for name in ("cells.py", "cell_patients.py", "radionecrosis.py"):
        tree = ast.parse((Path(cells.__file__).parent / name).read_text())
        imported = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        assert not [m for m in imported if m.startswith("flame.models")]


def test_cells_that_only_wander_stay_as_many_and_out_of_fluid() -> None:
    rng = np.random.default_rng(0)
    there, state = brain(rng), tumour(moving=500)
    for _ in range(200):
        cells.day(state, there, QUIET, rng)
    assert (state.growing + state.moving).sum() == 500
    assert not (state.growing + state.moving)[:4].any()
    assert np.count_nonzero(state.moving + state.growing) > 50


def test_a_cavity_is_not_entered() -> None:
    rng = np.random.default_rng(0)
    there, state = brain(rng), tumour(moving=500)
    cavity = np.zeros(SHAPE, bool)
    cavity[9:, :, :] = True
    there.cut(cavity)
    for _ in range(200):
        cells.day(state, there, QUIET, rng)
    assert not (state.growing + state.moving)[cavity].any()


def test_a_fraction_kills_what_the_linear_quadratic_model_says() -> None:
    """Cells alone in a voxel have oxygen: survival exp(-alpha (d + d^2 / 10)) at 2 Gy."""
    rng = np.random.default_rng(0)
    state = tumour(growing=600)
    effect = cells.killing(state, np.full(SHAPE, 2.0), Radiation.PHOTON, 0.06)
    expected = np.exp(-0.06 * (2 + 0.4))
    assert np.exp(-effect[8, 8, 8]) == pytest.approx(expected)
    left = []
    for _ in range(50):
        state = tumour(growing=600)
        cells._irradiate(state, effect, rng)
        assert state.growing.sum() + state.doomed.sum() == 600
        left.append(state.growing.sum() / 600)
    assert np.mean(left) == pytest.approx(expected, abs=3 * np.sqrt(expected / 600 / 50))


def test_radiations_differ_as_they_say_and_hypoxia_protects_less_from_carbon() -> None:
    crowded = tumour()
    crowded.growing[:] = cells.CAPACITY  # everything is hypoxic
    dose = np.full(SHAPE, 2.0)
    loose = {r: cells.killing(tumour(), dose, r, 0.06)[8, 8, 8] for r in Radiation}
    dense = {r: cells.killing(crowded, dose, r, 0.06)[8, 8, 8] for r in Radiation}
    proton = 2 * 1.25 / 1.1
    assert loose[Radiation.PROTON] == pytest.approx(0.06 * (proton + proton**2 / 10))
    assert dense[Radiation.PHOTON] == pytest.approx(0.06 * (0.8 + 0.64 / 10))
    share = {r: dense[r] / loose[r] for r in Radiation}
    assert share[Radiation.CARBON] > share[Radiation.PHOTON]


def test_a_reader_with_a_higher_threshold_draws_less() -> None:
    state = tumour()
    index = np.indices(SHAPE) - 8
    ball = (index**2).sum(axis=0) < 20
    state.growing[ball] = cells.CAPACITY // 2
    low, high = (
        cells.seen(state, replace(QUIET, bias=(b,)), 0, np.random.default_rng(1)).sum()
        for b in (0.7, 1.2)
    )
    assert 0 < high < low
