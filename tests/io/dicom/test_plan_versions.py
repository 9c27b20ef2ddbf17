"""Which plans were given: versions, re-plans, boosts and records, by hand."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment, courses
from flame.io.dicom.headers import read_headers
from flame.io.dicom.instances import Instance
from flame.io.dicom.radiotherapy import Radiotherapy, read_radiotherapy
from flame.physics.radiobiology import bed
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_plans
from tests.io.dicom.test_treatment_records import record

START = date(2020, 3, 2)


class Plans:
    """Writer of plans, each of one phase."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instances: list[Instance] = []

    def add(
        self,
        name: str,
        dose: float = 60.0,
        fractions: int = 30,
        day: int = 0,
        radiation: Radiation = Radiation.PHOTON,
        **tags: object,
    ) -> "Plans":
        folder = self.folder / name
        study = Study("p", "F", 60, START + timedelta(day), 1)
        biological = radiation is not Radiation.PHOTON
        phase = Phase(radiation, dose, fractions, biological=biological)
        write_plans(folder, study, Treatment((phase,)))
        (plan,), _ = read_headers(folder)
        plan.header.SOPInstanceUID = f"1.2.{name}"
        for keyword, value in tags.items():
            setattr(plan.header, keyword, value)
        self.instances.append(plan)
        return self

    def course(self, *records: Instance) -> Radiotherapy:
        return read_radiotherapy([*self.instances, *records])

    def phases(self, *records: Instance) -> list[tuple[float, int, int]]:
        treatment = self.course(*records).treatment
        return [(p.dose, p.fractions, p.start_day) for p in treatment.phases]


@pytest.fixture
def plans(tmp_path: Path) -> Plans:
    return Plans(tmp_path)


def reference(uid: str, relation: str) -> list[Dataset]:
    item = Dataset()
    item.ReferencedSOPInstanceUID, item.RTPlanRelationship = uid, relation
    return [item]


def test_a_draft_beside_an_approved_plan_does_not_count(plans: Plans) -> None:
    plans.add("1", day=0, ApprovalStatus="UNAPPROVED").add("2", day=5, ApprovalStatus="APPROVED")
    assert plans.phases() == [(60.0, 30, 0)]
    assert "1 unapproved plans left out beside an approved one" in plans.course().notes


def test_two_approved_versions_are_one_course(plans: Plans) -> None:
    plans.add("1", day=0, ApprovalStatus="APPROVED").add("2", day=0, ApprovalStatus="APPROVED")
    assert plans.phases() == [(60.0, 30, 0)]


def test_a_version_in_the_middle_keeps_the_length_of_the_course(plans: Plans) -> None:
    """Three weeks after the first plan, 15 of its fractions were given, and 15 are left."""
    plans.add("1").add("2", day=21)
    assert plans.phases() == [(30.0, 15, 0), (30.0, 15, 21)]


def test_a_replan_of_what_is_left_is_no_second_course(plans: Plans) -> None:
    plans.add("1").add("2", dose=30.0, fractions=15, day=21)
    treatment = plans.course().treatment
    assert sum(p.fractions for p in treatment.phases) == 30
    assert bed(treatment, 8.0) == pytest.approx(75.0)  # 60 (1 + 2 / 8), not 112.5


def test_a_plan_that_names_its_predecessor_replaces_it(plans: Plans) -> None:
    replaced = reference("1.2.1", "PREDECESSOR")
    plans.add("1").add("2", dose=33.0, fractions=15, day=21, ReferencedRTPlanSequence=replaced)
    assert plans.phases() == [(30.0, 15, 0), (33.0, 15, 21)]


def test_an_alternative_was_not_given(plans: Plans) -> None:
    other = reference("1.2.1", "ALTERNATIVE")
    plans.add("1", radiation=Radiation.PROTON).add("2", ReferencedRTPlanSequence=other)
    assert plans.phases() == [(60.0, 30, 0)]
    assert plans.course().treatment.phases[0].radiation is Radiation.PHOTON


def test_boosts_add_up(plans: Plans) -> None:
    plans.add("1", dose=50.0, fractions=25)
    plans.add("2", dose=10.0, fractions=5, day=35)
    plans.add("3", dose=18.0, fractions=6, day=42, radiation=Radiation.CARBON)
    assert plans.phases() == [(50.0, 25, 0), (10.0, 5, 35), (18.0, 6, 42)]


@pytest.mark.parametrize("day", [0, 28, 34])
def test_a_boost_that_names_its_predecessor_or_is_approved_early_is_kept(
    plans: Plans, day: int
) -> None:
    plans.add("1", dose=50.0, fractions=25)
    named = {"ReferencedRTPlanSequence": reference("1.2.1", "PREDECESSOR")} if day != 28 else {}
    plans.add("2", dose=10.0, fractions=5, day=day, **named)
    assert [(d, n) for d, n, _ in plans.phases()] == [(50.0, 25), (10.0, 5)]


def test_a_reirradiation_that_names_its_predecessor_is_kept(plans: Plans) -> None:
    before = reference("1.2.1", "PREDECESSOR")
    plans.add("1").add("2", dose=35.0, fractions=10, day=300, ReferencedRTPlanSequence=before)
    assert plans.phases() == [(60.0, 30, 0), (35.0, 10, 300)]


def test_what_may_be_a_boost_or_a_replan_is_not_guessed(plans: Plans) -> None:
    plans.add("1", dose=40.0, fractions=15).add("2", dose=26.7, fractions=10, day=7)
    with pytest.raises(BadInput, match="not known whether both were given"):
        plans.course()


def test_two_equal_halves_are_not_guessed(plans: Plans) -> None:
    plans.add("1", dose=30.0, fractions=15).add("2", dose=30.0, fractions=15)
    with pytest.raises(BadInput, match="both were given; add the RT Treatment Records"):
        plans.course()
    prior = reference("1.2.1", "PRIOR")
    plans.add("3", dose=30.0, fractions=15, ReferencedRTPlanSequence=prior)
    del plans.instances[1]
    assert plans.phases() == [(30.0, 15, 0), (30.0, 15, 0)]


def test_verification_plans_are_out(plans: Plans) -> None:
    verified = reference("1.2.1", "VERIFIED_PLAN")
    plans.add("1").add("2", ReferencedRTPlanSequence=verified).add("3", PlanIntent="MACHINE_QA")
    assert plans.phases() == [(60.0, 30, 0)]
    assert "2 verification or quality-assurance plans left out" in plans.course().notes


def test_without_records_the_course_is_as_planned(plans: Plans) -> None:
    found = plans.add("1").course()
    assert "fractions as planned, not recorded" in found.notes
    assert found.treatment.phases[0].planned is None
    assert found.plans["1.2.1"].share == 1.0


def test_records_tell_what_was_given(plans: Plans) -> None:
    """20 of 30 fractions of the first plan, none of the second."""
    plans.add("1").add("2", day=3)
    found = plans.course(*(record(n, n, plan="1.2.1") for n in range(1, 21)))
    (phase,) = found.treatment.phases
    assert (phase.dose, phase.fractions, phase.planned) == (pytest.approx(40.0), 20, 30)
    assert found.plans["1.2.1"].share == pytest.approx(2 / 3)
    assert found.start == date(2020, 1, 2)  # of the first fraction
    assert "1 plans without a treatment record left out: not given" in found.notes


def test_a_plan_with_records_counts_even_if_it_was_never_approved(plans: Plans) -> None:
    plans.add("1", ApprovalStatus="UNAPPROVED").add("2", ApprovalStatus="APPROVED")
    found = plans.course(*(record(n, n, plan="1.2.1") for n in range(1, 31)))
    assert list(found.plans) == ["1.2.1"]


def test_a_replan_with_records(plans: Plans) -> None:
    plans.add("1").add("2", dose=60.0, fractions=30, day=21)
    records = [record(n, n, plan="1.2.1") for n in range(1, 16)]
    records += [record(n, 20 + n, plan="1.2.2") for n in range(1, 16)]
    treatment = plans.course(*records).treatment
    assert [p.fractions for p in treatment.phases] == [15, 15]
    assert bed(treatment, 8.0) == pytest.approx(75.0)


def test_a_reirradiation_is_a_course_of_its_own(plans: Plans) -> None:
    plans.add("1").add("2", dose=35.0, fractions=10, day=300)
    first, second = courses(plans.course().treatment)
    assert [p.dose for p in first.phases] == [60.0]
    assert [(p.dose, p.start_day) for p in second.phases] == [(35.0, 300)]


def test_the_same_prescription_again_after_a_year_is_a_second_course(plans: Plans) -> None:
    plans.add("1").add("2", day=365)
    assert plans.phases() == [(60.0, 30, 0), (60.0, 30, 365)]


def test_chains_of_replans_that_name_the_first_plan(plans: Plans) -> None:
    first = reference("1.2.1", "PREDECESSOR")
    plans.add("1").add("2", dose=40.0, fractions=20, day=14, ReferencedRTPlanSequence=first)
    plans.add("3", dose=20.0, fractions=10, day=28, ReferencedRTPlanSequence=first)
    assert [(d, n) for d, n, _ in plans.phases()] == [(20.0, 10), (20.0, 10), (20.0, 10)]


def test_of_three_versions_of_one_day_the_last_counts(plans: Plans) -> None:
    first = reference("1.2.1", "PREDECESSOR")
    plans.add("1").add("2", ReferencedRTPlanSequence=first, RTPlanTime="130000")
    plans.add("3", ReferencedRTPlanSequence=first, RTPlanTime="150000")
    assert list(plans.course().plans) == ["1.2.3"]
    assert plans.phases() == [(60.0, 30, 0)]


def test_records_of_a_plan_that_is_missing_are_not_ignored(plans: Plans) -> None:
    plans.add("1")
    with pytest.raises(BadInput, match="refers to a plan that is not in the folder"):
        plans.course(*(record(n, n, plan="1.2.9") for n in range(1, 11)))


@pytest.mark.parametrize(
    "other",
    [
        {"dose": 59.4, "fractions": 33},
        {"radiation": Radiation.PROTON},
        {"dose": 54.0, "fractions": 30},
    ],
)
def test_plans_that_compete_are_not_added_up(plans: Plans, other: dict) -> None:
    plans.add("1").add("2", **other)
    with pytest.raises(BadInput, match="2 plans of one time add up to 1"):
        plans.course()


def test_a_plan_without_approval_does_not_count_beside_an_approved_one(plans: Plans) -> None:
    plans.add("1", ApprovalStatus="APPROVED").add("2", dose=54.0, fractions=30)
    assert plans.phases() == [(60.0, 30, 0)]


def test_a_plan_for_a_phantom_is_out(plans: Plans) -> None:
    plans.add("1").add("2", dose=2.0, fractions=1, day=-1, RTPlanGeometry="TREATMENT_DEVICE")
    assert plans.phases() == [(60.0, 30, 0)]


def test_without_dates_the_predecessor_comes_first(plans: Plans) -> None:
    before = reference("1.2.2", "PREDECESSOR")
    plans.add("1", dose=40.0, fractions=20, ReferencedRTPlanSequence=before).add("2")
    for plan in plans.instances:
        del plan.header.RTPlanDate, plan.header.StudyDate
    with pytest.raises(BadInput, match="add up to 100 Gy"):  # how many were given is unknown
        plans.course()


def test_an_alternative_named_by_the_earlier_plan_was_not_given(plans: Plans) -> None:
    other = reference("1.2.2", "ALTERNATIVE")
    plans.add("1", ReferencedRTPlanSequence=other).add("2", day=1)
    assert list(plans.course().plans) == ["1.2.1"]


def test_a_dose_of_groups_given_in_different_shares_tells_nothing(plans: Plans) -> None:
    from copy import deepcopy

    plans.add("1", dose=60.0, fractions=25)
    header = plans.instances[0].header
    boost = deepcopy(header.FractionGroupSequence[0])
    boost.FractionGroupNumber, boost.NumberOfFractionsPlanned = 2, 5
    header.FractionGroupSequence = [header.FractionGroupSequence[0], boost]
    found = plans.course(*(record(n, n, plan="1.2.1") for n in range(1, 26)))
    assert [(p.fractions, p.planned) for p in found.treatment.phases] == [(25, 25)]
    assert found.plans["1.2.1"].share is None
