"""Imaging days of a DICOM folder: order, day 0, masks, and radiotherapy of the same frame."""

from datetime import date
from pathlib import Path

import pydicom
import pytest

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.dicom.intake import inspect_folder
from flame.preprocessing.cohort.clinical import ClinicalTable
from flame.preprocessing.quality.reviews import Decision
from flame.preprocessing.studies import Context, find_studies
from flame.simulation.dicom_images import Study as Simulated
from flame.simulation.dicom_radiotherapy import write_plans
from tests.helpers.dicom_series import write_mr_series

KEY = b"secret"


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    folder = tmp_path / "dicom"
    for name, day in (("1", "20200310"), ("2", "20200101")):
        write_mr_series(folder / name, series=name, StudyDate=day, StudyInstanceUID=f"1.2.{day}")
    return folder


def test_sessions_follow_days_counted_from_the_clinical_table(dicom: Path) -> None:
    clinical = ClinicalTable(starts={"patient": date(2020, 1, 11)})
    studies = find_studies(inspect_folder(dicom), Context(KEY, clinical))
    assert [(s.session, s.day, s.note) for s in studies] == [("01", -10, ""), ("02", 59, "")]
    assert all(list(s.series) == [Sequence.T1] for s in studies)
    assert "patient" not in repr([(s.subject, s.sources) for s in studies])


def test_without_a_date_of_radiotherapy_the_first_imaging_is_day_0(dicom: Path) -> None:
    studies = find_studies(inspect_folder(dicom), Context(KEY))
    assert [s.day for s in studies] == [0, 69]  # 2020 is a leap year
    assert all("no date of radiotherapy" in s.note for s in studies)


@pytest.mark.parametrize(("intent", "days"), [("CURATIVE", [-61, 8]), ("VERIFICATION", [0, 69])])
def test_a_plan_for_checks_is_no_start_of_radiotherapy(
    dicom: Path, intent: str, days: list[int]
) -> None:
    person = Simulated("patient", "F", 60, date(2020, 3, 2), 1)
    write_plans(dicom / "rt", person, Treatment((Phase(Radiation.PHOTON, 60.0, 30),)))
    (path,) = (dicom / "rt").rglob("*.dcm")
    plan = pydicom.dcmread(path)
    plan.PlanIntent = intent
    plan.save_as(path)
    studies = find_studies(inspect_folder(dicom), Context(KEY))
    assert [s.day for s in studies] == days


def test_masks_are_found_by_patient_and_date(dicom: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    with pytest.raises(BadInput, match=r"PatientID_YYYYMMDD\.nii\.gz"):
        find_studies(inspect_folder(dicom), Context(KEY, masks=masks))
    (masks / "patient_20200310.nii.gz").write_bytes(b"")
    first, second = find_studies(inspect_folder(dicom), Context(KEY, masks=masks, tumours=masks))
    assert (first.mask, first.planned.tumour) == ("", None)
    assert second.mask == str(masks / "patient_20200310.nii.gz")
    assert second.planned.drawn_on == Sequence.T1


def test_a_day_that_a_person_accepted_is_taken(dicom: Path) -> None:
    (first, _) = find_studies(inspect_folder(dicom), Context(KEY))
    decisions = {(first.subject, "02"): Decision("accept", 69, "line 2")}
    taken = find_studies(inspect_folder(dicom), Context(KEY, decisions=decisions))
    assert [s.accepted for s in taken] == [False, True]
