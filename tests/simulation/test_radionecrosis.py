"""Radionecrosis: shares by the normal distribution, fractions by hand, and what a reader draws."""

import numpy as np
import pytest
from scipy.stats import norm

from flame.core.treatment import Radiation
from flame.simulation import cells, radionecrosis
from flame.simulation.cell_patients import cell_patient

SHAPE = (40, 40, 40)


def no_tumour() -> cells.Tumour:
    none = np.zeros(SHAPE, np.int64)
    return cells.Tumour(none, none, none, none, none.astype(float))


def tolerance(monkeypatch: pytest.MonkeyPatch, prone: float) -> radionecrosis.Tolerance:
    monkeypatch.setattr(radionecrosis, "PRONE", prone)
    return radionecrosis.tolerance(np.ones(SHAPE), np.random.default_rng(3))


def test_a_share_of_tissue_is_injured_by_the_dose_in_fractions_of_2_gy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By hand: 90 Gy in 30 fractions of 3 Gy are 90 (3 + 3) / (2 + 3) = 108 Gy in 2 Gy."""
    bears = tolerance(monkeypatch, 1.0)
    for dose, equal in ((60.0, 60.0), (90.0, 108.0)):
        found = radionecrosis.injured(bears, no_tumour(), np.full(SHAPE, dose), Radiation.PHOTON)
        assert found.mean() == pytest.approx(norm.cdf(equal, 95, 20), abs=0.03)


def test_a_larger_true_effect_injures_the_same_places_and_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bears = tolerance(monkeypatch, 1.0)
    dose = np.full(SHAPE, 60.0)
    photon, carbon, proton = (
        radionecrosis.injured(bears, no_tumour(), dose, r)
        for r in (Radiation.PHOTON, Radiation.CARBON, Radiation.PROTON)
    )
    assert photon.sum() < carbon.sum() < proton.sum()
    assert not (photon & ~carbon).any()
    assert not (carbon & ~proton).any()


def test_tumour_and_patients_who_are_not_prone_are_not_injured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dose = np.full(SHAPE, 90.0)
    spared = tolerance(monkeypatch, 0.0)
    assert not radionecrosis.injured(spared, no_tumour(), dose, Radiation.PHOTON).any()
    full = no_tumour()
    full.growing = np.full(SHAPE, cells.CAPACITY)
    bears = tolerance(monkeypatch, 1.0)
    assert not radionecrosis.injured(bears, full, dose, Radiation.PHOTON).any()


def test_a_leak_rises_over_45_days() -> None:
    bears = radionecrosis.Tolerance(np.zeros(1), begins=100, leaks=0.6)
    where = np.array([True, False])
    assert bears.leak(where, 100).tolist() == [0.0, 0.0]
    assert bears.leak(where, 115).tolist() == pytest.approx([0.2, 0.0])
    assert bears.leak(where, 300).tolist() == pytest.approx([0.6, 0.0])


def test_a_reader_draws_injured_tissue_as_tumour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radionecrosis, "FIRST", 60)
    monkeypatch.setattr(radionecrosis, "LAST", 61)
    volumes = []
    for prone in (0.0, 1.0):
        monkeypatch.setattr(radionecrosis, "PRONE", prone)
        later = cell_patient(1000, 13, every=False).later
        volumes.append([mask.sum() for masks in later.values() for mask in masks])
    assert volumes[0][0] == volumes[1][0]  # day 45: before the leak
    assert volumes[0][2] < volumes[1][2]
