"""Patients of the world of single cells: equal by seed, and what a hospital would see."""

import numpy as np

from flame.core.treatment import Radiation
from flame.simulation.cell_patients import NOMINAL, SIDE, cell_patient


def test_equal_seeds_give_equal_patients_and_all_radiations_start_alike() -> None:
    one, again = cell_patient(3, 1, every=True), cell_patient(3, 1, every=True)
    assert one.days == again.days
    assert one.given is Radiation.PROTON
    for radiation in Radiation:
        for a, b in zip(one.later[radiation], again.later[radiation], strict=True):
            assert (a == b).all()
    alone = cell_patient(3, 1, every=False)
    assert set(alone.later) == {Radiation.PROTON}
    assert (alone.later[Radiation.PROTON][0] == one.later[Radiation.PROTON][0]).all()


def test_days_differ_from_those_planned_and_the_target_gets_its_dose() -> None:
    patient = cell_patient(3, 2, every=False)
    assert all(abs(d - n) <= 5 for d, n in zip(patient.days, NOMINAL, strict=True))
    assert patient.before[1].shape == (SIDE,) * 3
    assert patient.before[1].sum() * 27 >= 1000  # ml
    (dose,) = patient.dose.values()
    assert dose[patient.before[1]].min() > 0.95 * 60
    assert np.isfinite(dose).all()
