"""Patients of the world of single cells: equal by seed, and what a hospital would see."""

import numpy as np
import pytest

from flame.core.treatment import Radiation
from flame.simulation.cell_patients import NOMINAL, SIDE, cell_patient


def test_equal_seeds_give_equal_patients_and_all_radiations_start_alike() -> None:
    one, alone = cell_patient(3, 1, every=True), cell_patient(3, 1, every=False)
    assert one.days == alone.days
    assert one.given is Radiation.PROTON
    assert set(one.later) == set(Radiation)
    assert set(alone.later) == {Radiation.PROTON}
    for a, b in zip(one.later[Radiation.PROTON], alone.later[Radiation.PROTON], strict=True):
        assert (a == b).all()


@pytest.mark.slow
def test_equal_seeds_give_equal_patients_for_every_radiation() -> None:
    one, again = cell_patient(3, 1, every=True), cell_patient(3, 1, every=True)
    for radiation in Radiation:
        for a, b in zip(one.later[radiation], again.later[radiation], strict=True):
            assert (a == b).all()


def test_days_differ_from_those_planned_and_the_target_gets_its_dose() -> None:
    patient = cell_patient(3, 2, every=False)
    assert all(abs(d - n) <= 5 for d, n in zip(patient.days, NOMINAL, strict=True))
    assert patient.before[1].shape == (SIDE,) * 3
    assert patient.before[1].sum() * 27 >= 1000  # ml
    (dose,) = patient.dose.values()
    assert dose[patient.before[1]].min() > 0.95 * 60
    assert np.isfinite(dose).all()
