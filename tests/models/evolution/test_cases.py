"""Evolution cases from patients whose tumour, dose and days are known."""

from dataclasses import replace

import numpy as np
import pytest

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import DoseMap, LabelMap, Scan, Sequence
from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.evolution.cases import evolution_case
from flame.models.evolution.model import EvolutionCase
from flame.physics.radiobiology import rbe
from flame.preprocessing.cohort.tumour_cube import SHAPE as CUBE
from flame.preprocessing.cohort.tumour_cube import (
    SIDE,
    VOXEL_MM,
    around_tumour,
    cube_around,
    on_cube,
)
from flame.preprocessing.stages.atlas_registration import tissues

AFFINE = np.array([[2.0, 0, 0, -100], [0, 2, 0, -130], [0, 0, 2, -70], [0, 0, 0, 1]])
SHAPE = (100, 116, 95)
PROTONS = Treatment((Phase(Radiation.PROTON, 60.0, 30, biological=True),))


def ball(radius_mm: float) -> LabelMap:
    world = np.indices(SHAPE) * 2.0 + AFFINE[:3, 3][:, None, None, None]
    centre = np.array([25.0, -10.0, 20.0])[:, None, None, None]
    inside = ((world - centre) ** 2).sum(axis=0) < radius_mm**2
    return LabelMap(inside.astype(np.uint8), AFFINE)


def day(number: int, radius: float, dose: DoseMap | None = None) -> Timepoint:
    scan = Scan(np.full(SHAPE, 0.5, np.float32), AFFINE, Sequence.FLAIR)
    return Timepoint(number, {Sequence.FLAIR: scan}, None, ball(radius), dose)


DOSE = DoseMap(np.full(SHAPE, 60, np.float32), AFFINE, biological=True)
PATIENT = Patient(
    "x",
    (day(-40, 12), day(-8, 14, DOSE), day(60, 16), day(150, 20)),
    PROTONS,
)


def case_of(patient: Patient) -> EvolutionCase:
    moved = on_cube(patient)
    grid = moved.timepoints[0].tumour.affine
    return evolution_case(moved, *tissues(grid, CUBE), "c")


def test_days_masks_and_dose() -> None:
    case = case_of(PATIENT)
    assert case.day == -8
    assert case.earlier is not None
    assert case.earlier[0] == -40
    assert [d for d, _ in case.later] == [60, 150]
    for mask, radius in ((case.tumour, 14), (case.later[1][1], 20)):
        assert case.ml(mask) == pytest.approx(4 / 3 * np.pi * radius**3 / 1000, rel=0.08)
    assert case.tumour[SIDE // 2, SIDE // 2, SIDE // 2]
    assert case.dose[20, 20, 20] == pytest.approx(60)
    assert not case.images[..., 0].any()  # no T1C
    assert case.images[20, 20, 20, 1] == pytest.approx(0.5)
    assert 0.3 < (case.white + case.grey)[case.tumour].mean() <= 1.05  # the place is brain


def test_cube_is_centred_on_the_tumour() -> None:
    grid = cube_around(ball(14))
    middle = grid @ [*np.full(3, (SIDE - 1) / 2), 1]
    assert middle[:3] == pytest.approx([25, -10, 20], abs=0.5)
    assert np.allclose(np.diag(grid)[:3], VOXEL_MM)


def test_physical_dose_of_ions_is_weighted_once() -> None:
    physical = replace(DOSE, biological=False)
    patient = replace(PATIENT, timepoints=(day(-8, 14, physical), day(60, 16)))
    assert case_of(patient).dose[20, 20, 20] == pytest.approx(66)  # RBE 1.1
    known = Treatment((Phase(Radiation.PROTON, 60.0, 30, let=4.0),))
    weighted = case_of(replace(patient, treatment=known)).dose[20, 20, 20]
    assert weighted == pytest.approx(60 * float(rbe(2.0, 4.0, 8, "mcnamara")))
    photons = Treatment((Phase(Radiation.PHOTON, 60.0, 30),))
    same = case_of(replace(patient, treatment=photons))
    assert same.dose[20, 20, 20] == pytest.approx(60)


def test_without_a_mask_there_is_no_cube() -> None:
    with pytest.raises(BadInput, match="patient x has no tumour mask"):
        on_cube(replace(PATIENT, timepoints=()))


def test_a_tumour_that_was_operated_on_did_not_shrink() -> None:
    patient = replace(PATIENT, timepoints=(day(-40, 22), day(-8, 14, DOSE), day(60, 16)))
    assert case_of(patient).earlier is None


def test_a_tumour_beyond_the_cube_is_not_cut_off() -> None:
    far = day(60, 16)
    moved = far.tumour.affine.copy()
    moved[0, 3] += 55  # a ball of 16 mm, 5 mm of the cube's 60 are left
    far = replace(far, tumour=LabelMap(far.tumour.voxels, moved))
    patient = replace(PATIENT, timepoints=(day(-8, 14, DOSE), far))
    with pytest.raises(BadInput, match="patient x has a tumour that reaches beyond the cube"):
        on_cube(patient)
    assert "x" not in around_tumour(patient).left_out.replace("exclude", "")


def test_tissues_are_known_on_one_template_only() -> None:
    elsewhere = replace(day(-8, 14, DOSE), template="SRI24")
    with pytest.raises(BadInput, match="images registered to SRI24, but .* without a template"):
        on_cube(replace(PATIENT, timepoints=(elsewhere, day(60, 16))))


def test_two_examinations_of_a_day_are_no_growth() -> None:
    before, after = day(-8, 14, DOSE), day(-8, 10, DOSE)  # before and after an operation
    patient = replace(PATIENT, timepoints=(before, after, day(60, 16)))
    case = case_of(patient)
    assert case.earlier is None
    assert case.ml(case.tumour) == pytest.approx(4 / 3 * np.pi * 1.0**3, rel=0.15)  # the latter


def test_each_phase_of_a_course_keeps_its_place() -> None:
    """A boost on one half: no boost dose on the other half, and physical ions are weighted."""
    half = np.zeros(SHAPE, np.float32)
    half[SHAPE[0] // 2 :] = 10
    phases = (
        DoseMap(np.full(SHAPE, 50, np.float32), AFFINE, biological=False),
        DoseMap(half, AFFINE, biological=False),
    )
    protons = Phase(Radiation.PROTON, 11.0, 5, 35, biological=True)
    course = Treatment((Phase(Radiation.PHOTON, 50.0, 25), protons))
    before = replace(day(-8, 14, DOSE), phase_doses=phases)
    case = case_of(replace(PATIENT, timepoints=(before, day(60, 16)), treatment=course))
    assert case.phase_doses is not None
    assert case.phase_doses.shape == (2, *CUBE)
    assert np.allclose(case.phase_doses[0], 50)
    assert case.phase_doses[1].min() == 0
    assert case.phase_doses[1].max() == pytest.approx(11)  # RBE 1.1
    one = case_of(replace(PATIENT, timepoints=(day(-8, 14, DOSE), day(60, 16))))
    assert one.phase_doses is None


def test_the_dose_of_a_reirradiation_is_not_that_of_the_first_course() -> None:
    again = Treatment((*PROTONS.phases, Phase(Radiation.PHOTON, 35.0, 10, start_day=300)))
    late = day(290, 20, DoseMap(np.full(SHAPE, 35, np.float32), AFFINE, biological=False))
    patient = replace(PATIENT, timepoints=(day(-8, 14), day(60, 16), late), treatment=again)
    assert case_of(patient).dose is None


def test_a_reirradiation_ends_the_follow_up() -> None:
    again = Treatment((*PROTONS.phases, Phase(Radiation.PHOTON, 35.0, 10, start_day=140)))
    case = case_of(replace(PATIENT, treatment=again))
    assert [d for d, _ in case.later] == [60]  # day 150 belongs to the re-irradiation
    assert case.treatment == PROTONS


def test_from_a_later_day_all_masks_since_radiotherapy_are_history() -> None:
    """From a landmark on, the images after radiotherapy are what is known of the growth."""
    days = (day(-8, 14, DOSE), day(60, 12), day(100, 13), day(150, 14), day(200, 17))
    patient = replace(PATIENT, timepoints=days, landmark=150.0)
    case = case_of(patient)
    assert case.day == 150
    assert [d for d, _ in case.history] == [60, 100]
    assert [d for d, _ in case.later] == [200]
    assert not case.is_ahead
    assert case.dose is not None  # of the course that is over
    shrunk = replace(patient, timepoints=(days[0], day(60, 20), *days[2:]))
    assert [d for d, _ in case_of(shrunk).history] == [60, 100]  # a response, and no operation


def test_a_tumour_that_is_gone_is_nothing_to_forecast_from() -> None:
    """Day 90 shows no tumour: the one of day 60 is not the last that is known."""
    days = (day(-8, 14, DOSE), day(60, 12), day(90, 0), day(150, 14))
    with pytest.raises(BadInput, match="no tumour left on day 90"):
        case_of(replace(PATIENT, timepoints=days, landmark=100.0))
    case = case_of(replace(PATIENT, timepoints=days, landmark=70.0))
    assert (case.day, [d for d, _ in case.later]) == (60, [90, 150])


def test_a_baseline_before_a_reirradiation_has_that_course() -> None:
    again = Treatment((*PROTONS.phases, Phase(Radiation.PHOTON, 35.0, 10, start_day=300)))
    second = DoseMap(np.full(SHAPE, 35, np.float32), AFFINE, biological=False)
    days = (day(-8, 14, DOSE), day(60, 12), day(304, 15, second), day(360, 17))
    case = case_of(replace(PATIENT, timepoints=days, treatment=again, landmark=304.0))
    assert case.treatment is not None
    assert [p.start_day for p in case.treatment.phases] == [300]
    assert case.dose[20, 20, 20] == pytest.approx(35)
    assert case.is_ahead
    assert case.history == ()  # fractions have been given since day 60


def test_a_dose_grid_beside_the_tumour_is_no_matter_for_masks_and_days() -> None:
    small = np.zeros(SHAPE, np.float32)
    small[: SHAPE[0] // 2] = 60
    beside = day(-8, 14, DoseMap(small, AFFINE, biological=True))
    case = case_of(replace(PATIENT, timepoints=(beside, day(60, 16))))
    assert case.untold_dose.startswith("a dose grid that covers 0% of the tumour")
    assert case_of(PATIENT).untold_dose == ""


def test_masks_and_days_are_enough() -> None:
    bare = replace(
        PATIENT,
        timepoints=(day(0, 14), day(60, 16)),
        treatment=None,
    )
    case = case_of(bare)
    assert case.treatment is None
    assert case.dose is None
    assert not case.is_ahead
    assert [d for d, _ in case.later] == [60]


def test_a_baseline_after_radiotherapy_is_one() -> None:
    case = case_of(replace(PATIENT, timepoints=(day(70, 14, DOSE), day(150, 20))))
    assert (case.day, case.is_ahead) == (70, False)
    assert [d for d, _ in case.later] == [150]


def test_a_patient_without_any_mask_is_named() -> None:
    with pytest.raises(BadInput, match="patient x has no tumour mask"):
        evolution_case(replace(PATIENT, timepoints=()), *tissues(np.eye(4), CUBE), "c")
