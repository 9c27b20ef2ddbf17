"""Simulated hospitals as their users see them."""

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest

from flame.core.errors import BadInput
from flame.core.treatment import Radiation
from flame.io.dicom.intake import inspect_folder
from flame.io.dicom.radiotherapy import read_radiotherapy
from flame.pipelines.simulate import SimulateConfig, run
from flame.simulation.hospital import DAY_ZERO, Planning, planning_of, simulate_patient
from flame.simulation.tumour import ENHANCING_LABEL, NECROTIC_CORE


def simulate(out: Path, **changes: object) -> Path:
    settings = {"centres": 2, "patients": 2, "spacing": 5.0, "imaging_days": (-10, 60), "jobs": 1}
    return run(SimulateConfig(str(out), **{**settings, **changes}))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "out")


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".toml"):
        total.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return total.hexdigest()


@pytest.mark.slow
def test_same_seed_same_bytes_other_seed_other_bytes(hospitals: Path, tmp_path: Path) -> None:
    assert digest(simulate(tmp_path / "again")) == digest(hospitals)
    assert digest(simulate(tmp_path / "other", seed=1)) != digest(hospitals)


def test_every_series_is_taken_as_what_it_is(hospitals: Path) -> None:
    for centre in ("centre-1", "centre-2"):
        report = inspect_folder(hospitals / centre / "dicom")
        assert report.simulated
        assert not report.unreadable
        assert len(report.series) == 2 * 2 * 4
        assert all(s.taken for s in report.series)
        for study in report.studies().values():
            assert set(study) == {"T1", "T1C", "T2", "FLAIR"}


def test_scanners_differ(hospitals: Path) -> None:
    first, second = (
        inspect_folder(hospitals / c / "dicom").series[0] for c in ("centre-1", "centre-2")
    )
    assert first.series.header.Manufacturer != second.series.header.Manufacturer
    assert first.series.description != second.series.description
    assert abs(first.geometry.affine[2, 2]) == pytest.approx(5)  # axial slices
    assert abs(second.geometry.affine[0, 2]) == pytest.approx(5)  # sagittal slices


def test_plans_dose_and_structures_agree(hospitals: Path) -> None:
    report = inspect_folder(hospitals / "centre-1" / "dicom")
    for patient, objects in report.radiotherapy.items():
        treatment = read_radiotherapy(report.radiotherapy[patient]).treatment
        prescribed = sum(p.dose for p in treatment.phases)
        (dose,) = [i for i in objects if i.header.Modality == "RTDOSE"]
        grid = pydicom.dcmread(dose.path)
        peak = grid.pixel_array.max() * float(grid.DoseGridScaling)
        assert peak == pytest.approx(prescribed, rel=1e-3)
        drawn = [i for i in objects if i.header.Modality == "RTSTRUCT"]
        structures = next(i for i in drawn if i.path.parent.name == "radiotherapy")
        inside = _dose_at(grid, structures.header)
        assert inside.min() > 0.95 * prescribed  # every contour point lies in the treated volume
        ion = any(p.radiation is not Radiation.PHOTON for p in treatment.phases)
        assert (grid.DoseType == "EFFECTIVE") == ion


def _dose_at(grid: pydicom.Dataset, structures: pydicom.Dataset) -> np.ndarray:
    """Dose in Gy at every contour point, placed by the tags of the two files alone (LPS)."""
    contours = structures.ROIContourSequence[0].ContourSequence
    points = np.concatenate([np.reshape(c.ContourData, (-1, 3)) for c in contours]).astype(float)
    row_mm, column_mm = map(float, grid.PixelSpacing)
    step = np.diff(np.array(grid.GridFrameOffsetVector, float))[0]
    origin = np.array(grid.ImagePositionPatient, float)
    index = np.rint((points - origin) / [column_mm, row_mm, step]).astype(int)
    dose = grid.pixel_array[index[:, 2], index[:, 1], index[:, 0]]
    assert grid.FrameOfReferenceUID == structures.FrameOfReferenceUID
    return dose * float(grid.DoseGridScaling)


def test_truth_is_apart_and_consistent(hospitals: Path) -> None:
    truth = pd.read_csv(hospitals / "truth" / "centre-1" / "truth.tsv", sep="\t")
    clinical = pd.read_csv(hospitals / "centre-1" / "clinical.tsv", sep="\t")
    assert list(truth.patient_id) == list(clinical.patient_id)
    assert ((truth.rano != "PD") == clinical.response.astype(bool)).all()
    for row in truth.itertuples():
        mask = nib.load(hospitals / "truth/centre-1" / row.patient_id / "day-010_dseg.nii.gz")
        labels = np.asarray(mask.dataobj)
        voxel = abs(np.linalg.det(mask.affine[:3, :3])) / 1000
        enhancing = np.isin(labels, (1, 3)).sum() * voxel
        assert enhancing == pytest.approx(row._3, abs=0.02)
        ratio = row._5 / row._3
        expected = "PD" if ratio >= 1.4 else "PR" if ratio <= 0.35 else "SD"
        assert row.rano == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"centres": 0}, "at least one centre"),
        ({"spacing": 0.0}, "choose a spacing"),
        ({"imaging_days": (10, 20)}, "start before day 0"),
    ],
)
def test_bad_settings(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        simulate(tmp_path / "out", **change)


def test_another_simulation_is_not_mixed_into_a_folder(hospitals: Path) -> None:
    before = digest(hospitals)
    with pytest.raises(BadInput, match="something else than this simulation"):
        simulate(hospitals, seed=5)
    assert digest(hospitals) == before


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(BadInput, match="something else"):
        simulate(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_patient_has_a_row_of_the_clinical_table(tmp_path: Path) -> None:
    patient = simulate_patient(tmp_path / "dicom", tmp_path / "truth", 1, 2, 6.0, (-10,), 0)
    assert patient.patient_id == "SIM-2-003"
    assert (tmp_path / "dicom" / "SIM-2-003" / "radiotherapy" / "RD1.dcm").exists()
    assert 22 <= int(str(patient.clinical["age"])) <= 88
    assert str(patient.clinical["radiotherapy_start"]) >= f"{DAY_ZERO:%Y-%m-%d}"
    labels = nib.load(tmp_path / "truth" / "SIM-2-003" / "day-010_dseg.nii.gz")
    # The table of the truth has the volume of the enhancing tumour with its necrotic core, in ml.
    voxels = np.asarray(labels.dataobj)
    drawn = np.isin(voxels, (ENHANCING_LABEL, NECROTIC_CORE))
    ml = drawn.sum() * abs(np.linalg.det(labels.affine[:3, :3])) / 1000
    assert patient.truth["enhancing_ml_day-10"] == pytest.approx(ml, abs=0.01)


@pytest.mark.parametrize("planning", ["mr", "ct", "ct-registered"])
def test_radiotherapy_lies_on_what_it_was_planned_on(tmp_path: Path, planning: str) -> None:
    simulate(tmp_path / "out", centres=1, patients=1, planning=planning)
    report = inspect_folder(tmp_path / "out/centre-1/dicom")
    (objects,) = report.radiotherapy.values()
    scans = {s.series.header.FrameOfReferenceUID for s in report.series}
    (dose,) = [i.header.FrameOfReferenceUID for i in objects if i.header.Modality == "RTDOSE"]
    links = [i for i in objects if i.header.Modality == "REG"]
    cts = [ct for each in report.cts.values() for ct in each]
    assert (dose in scans) == (planning == "mr")
    assert bool(links) == (planning == "ct-registered")
    assert [ct.frame for ct in cts] == [dose] * (planning != "mr")
    assert all(ct.geometry for ct in cts)


def test_hospitals_plan_in_different_ways() -> None:
    assert [str(planning_of(n, "mixed")) for n in range(4)] == ["ct", "mr", "ct-registered", "ct"]
    assert {planning_of(n, "mr") for n in range(4)} == {Planning.MR}


def test_unknown_planning(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="did you mean 'ct'"):
        simulate(tmp_path / "out", planning="cy")
