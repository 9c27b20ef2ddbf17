"""Plans written by the simulator read back as the treatment they were written from."""

from copy import deepcopy
from datetime import date
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.dicom.headers import read_headers
from flame.io.dicom.instances import Instance
from flame.io.dicom.radiotherapy import read_radiotherapy
from flame.simulation.dicom_images import Study
from flame.simulation.dicom_radiotherapy import write_plans

STUDY = Study("p", "F", 60, date(2020, 3, 2), 1)


@pytest.mark.parametrize(
    "phases",
    [
        (Phase(Radiation.PHOTON, 60.0, 30),),
        (Phase(Radiation.PROTON, 60.0, 30, biological=True),),
        (
            Phase(Radiation.PHOTON, 50.0, 25),
            Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True),
        ),
    ],
)
def test_round_trip(tmp_path: Path, phases: tuple[Phase, ...]) -> None:
    write_plans(tmp_path, STUDY, Treatment(phases))
    plans, _ = read_headers(tmp_path)
    assert read_radiotherapy(plans[::-1]).treatment == Treatment(phases)


def test_no_plan_is_no_treatment() -> None:
    assert read_radiotherapy([]).treatment is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: setattr(h.FractionGroupSequence[0], "NumberOfFractionsPlanned", 0), "fractions"),
        (lambda h: setattr(h.BeamSequence[0], "RadiationType", "ELECTRON"), "'ELECTRON' is not"),
        (lambda h: setattr(h, "BeamSequence", []), "no treatment beam"),
    ],
)
def test_unusable_plans_name_the_file(tmp_path: Path, change, message: str) -> None:
    write_plans(tmp_path, STUDY, Treatment((Phase(Radiation.PHOTON, 60.0, 30),)))
    plans, _ = read_headers(tmp_path)
    change(plans[0].header)
    with pytest.raises(BadInput, match=f"RP1.dcm: .*{message}"):
        read_radiotherapy(plans)


def plan(tmp_path: Path) -> Instance:
    write_plans(tmp_path, STUDY, Treatment((Phase(Radiation.PHOTON, 60.0, 30),)))
    (found,), _ = read_headers(tmp_path)
    return found


def test_a_plan_exported_twice_counts_once_and_a_rejected_one_not_at_all(tmp_path: Path) -> None:
    one = plan(tmp_path)
    copy = Instance(tmp_path / "copy.dcm", one.header)
    assert read_radiotherapy([one, copy]).treatment == Treatment(
        (Phase(Radiation.PHOTON, 60.0, 30),)
    )
    one.header.ApprovalStatus = "REJECTED"
    assert read_radiotherapy([one]).treatment is None
    one.header.ApprovalStatus, one.header.PlanIntent = "APPROVED", "VERIFICATION"
    assert read_radiotherapy([one]).treatment is None


def test_two_fraction_groups_share_the_prescription_by_their_beam_doses(tmp_path: Path) -> None:
    found = plan(tmp_path)
    first = found.header.FractionGroupSequence[0]
    second = deepcopy(first)
    first.NumberOfFractionsPlanned, second.NumberOfFractionsPlanned = 20, 10
    found.header.FractionGroupSequence = [first, second]
    phases = read_radiotherapy([found]).treatment.phases
    assert [(p.dose, p.fractions) for p in phases] == [(40.0, 20), (20.0, 10)]


def test_dose_to_an_organ_at_risk_is_no_prescription(tmp_path: Path) -> None:
    found = plan(tmp_path)
    organ = deepcopy(found.header.DoseReferenceSequence[0])
    organ.DoseReferenceType, organ.TargetPrescriptionDose = "ORGAN_AT_RISK", 99.0
    found.header.DoseReferenceSequence = [*found.header.DoseReferenceSequence, organ]
    assert read_radiotherapy([found]).treatment.phases[0].dose == 60.0


def test_plan_without_fraction_groups_names_the_file(tmp_path: Path) -> None:
    found = plan(tmp_path)
    del found.header.FractionGroupSequence
    with pytest.raises(BadInput, match="RP1.dcm: no fraction group"):
        read_radiotherapy([found])


@pytest.mark.parametrize(("keyword", "value"), [("dose", "6000"), ("fractions", 3000)])
def test_a_prescription_in_cgy_is_refused(tmp_path: Path, keyword: str, value: object) -> None:
    write_plans(tmp_path, STUDY, Treatment((Phase(Radiation.PHOTON, 60.0, 30),)))
    (plan,), _ = read_headers(tmp_path)
    if keyword == "dose":
        plan.header.DoseReferenceSequence[0].TargetPrescriptionDose = value
    else:
        plan.header.FractionGroupSequence[0].NumberOfFractionsPlanned = value
    with pytest.raises(BadInput, match="is no prescription"):
        read_radiotherapy([plan])
