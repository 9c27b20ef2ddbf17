"""Burdens by course; the ratings that follow from them are tested in test_rano and test_assess."""

import numpy as np

from flame.core.cohort import Patient, Timepoint
from flame.core.imaging import LabelMap
from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.clinical.burden import burdens, by_course
from flame.models.clinical.rano import CRITERIA, Rating

AFFINE = np.diag([5.0, 5, 5, 1])
RULES = CRITERIA["rano-2.0-volume"]


def day(number: int, side: int) -> Timepoint:
    mask = np.zeros((16, 16, 16), np.uint8)
    mask[2 : 2 + side, 2 : 2 + side, 2 : 2 + side] = 1
    return Timepoint(number, {}, tumour=LabelMap(mask, AFFINE))


def test_a_re_irradiation_has_days_of_its_own() -> None:
    first, again = (Phase(Radiation.PHOTON, 60.0, 30, start_day=s) for s in (0, 300))
    days = (day(-5, 6), day(60, 4), day(280, 6), day(360, 6), day(420, 8))
    patient = Patient("p", days, Treatment((first, again)))
    one, two = by_course(patient)
    assert [t.day for t in one.patient.timepoints] == [-5, 60, 280]
    assert [t.day for t in two.patient.timepoints] == [60, 280, 360, 420]
    assert (one.end, two.start) == (39, 300)
    # 216 voxels after 64: PD against the nadir of day 60; 512 after 216 in the second course.
    assert one.rated(RULES)[-1].rating is Rating.PD
    assert two.rated(RULES)[-1].rating is Rating.UNCONFIRMED


def test_sizes_in_ml_by_hand() -> None:
    patient = Patient("p", (day(60, 4), day(120, 6)))
    assert [b.size for b in burdens(patient, RULES)] == [64 * 0.125, 216 * 0.125]
