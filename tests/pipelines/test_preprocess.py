"""From DICOM to BIDS derivatives on simulated days, and on what hospitals get wrong."""

import gzip
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import LabelMap, Sequence
from flame.federation.tasks.evolution import case_of
from flame.io.bids import read_timepoint
from flame.io.dicom.intake import inspect_folder
from flame.io.dicom.pixels import read_scan
from flame.io.pseudonym import load_key, pseudonym
from flame.io.transforms import read_transform
from flame.pipelines.preprocess import PreprocessConfig, run
from flame.preprocessing.cohort.cohort import at_spacing, read_cohort
from flame.preprocessing.cohort.tumour_cube import on_cube
from flame.preprocessing.config import StageConfig, stages
from flame.preprocessing.stages.interpolation import resample_labels
from flame.simulation.scanner import SCANNERS
from tests.helpers.dicom_series import write_mr_series
from tests.helpers.preprocess_config import preprocess_config


def test_sidecars_name_the_scanner_of_the_simulator(derivatives: Path) -> None:
    true = SCANNERS[0]
    sidecars = list(derivatives.glob("sub-*/ses-*/anat/*_desc-brain_mask.json"))
    assert len(sidecars) == 2
    for path in sidecars:
        sidecar = json.loads(path.read_text())
        assert true.manufacturer == sidecar["Manufacturer"].upper()
        assert len(sidecar["Scanner"]) == 10
        assert sidecar["MagneticFieldStrength"] == true.field


def test_layout_days_and_tables(hospital: Path, derivatives: Path) -> None:
    subject = pseudonym(load_key(hospital / "centre-1" / "dicom.key"), "SIM-1-001")
    anat = derivatives / f"sub-{subject}" / "ses-01" / "anat"
    stem = f"sub-{subject}_ses-01"
    space = "space-individual"
    assert {p.name for p in anat.glob("*.nii.gz")} == {
        f"{stem}_{space}_desc-preproc_T1w.nii.gz",
        f"{stem}_ce-gad_{space}_desc-preproc_T1w.nii.gz",
        f"{stem}_{space}_desc-preproc_T2w.nii.gz",
        f"{stem}_{space}_desc-preproc_FLAIR.nii.gz",
        f"{stem}_{space}_desc-brain_mask.nii.gz",
        f"{stem}_{space}_label-GTV_mask.nii.gz",
        f"{stem}_{space}_label-CTV_mask.nii.gz",
        f"{stem}_{space}_label-Brain_mask.nii.gz",
        f"{stem}_{space}_dose.nii.gz",
    }
    days = [
        json.loads(p.read_text())["Day"]
        for p in sorted(derivatives.glob("sub-*/ses-*/anat/*T2w.json"))
    ]
    assert days == [-10, 60]
    (cohort,) = [read_cohort(derivatives, "centre-1", at_spacing(6.0))]
    (patient,) = cohort.patients
    assert cohort.simulated
    assert patient.treatment is not None
    assert patient.baseline.day == -10
    assert patient.clinical["age"] > 20
    assert patient.outcome.response is not None
    assert patient.baseline.tumour.volume > 1
    assert 20 < patient.baseline.dose.voxels.max() < 90


def test_tumour_lands_where_the_truth_says(hospital: Path) -> None:
    # The truth lies in the frame of the first day's T1C. Carried by the transform that the stages
    # found, its enhancing rim must be bright on T1C and its oedema bright on FLAIR.
    report = inspect_folder(hospital / "centre-1" / "dicom")
    series = next(iter(report.studies().values()))
    day = Timepoint(-10, {s: read_scan(r.geometry, s) for s, r in series.items()})
    native = day.scans[Sequence.T1C].affine
    *before, resampling, zscore = stages(StageConfig(spacing=2.0))
    for stage in before:
        day = stage(day)
    matrix = day.scans[Sequence.T1C].affine @ np.linalg.inv(native)
    final = zscore(resampling(day))
    truth = nib.load(hospital / "truth/centre-1/SIM-1-001/day-010_dseg.nii.gz")
    grid = final.scans[Sequence.T1C]
    brain = final.brain.voxels > 0
    for sequence, label in ((Sequence.T1C, 3), (Sequence.FLAIR, 2)):
        drawn = (np.asarray(truth.dataobj) == label).astype(np.uint8)
        there = LabelMap(drawn, matrix @ truth.affine)
        found = resample_labels(there, grid.affine, grid.voxels.shape).voxels > 0
        voxels = final.scans[sequence].voxels
        assert (found & brain).sum() > 50
        assert voxels[found & brain].mean() > voxels[~found & brain].mean() + 1


def test_contours_on_a_planning_ct_land_on_the_tumour_in_mri(
    hospital: Path, derivatives: Path
) -> None:
    """The first hospital plans on a CT that nothing links to the MRI; the truth lies on its T1C."""
    report = inspect_folder(hospital / "centre-1" / "dicom")
    (cts,) = report.cts.values()
    (objects,) = report.radiotherapy.values()
    planned = [i for i in objects if i.path.parent.name == "radiotherapy"]
    assert {i.header.FrameOfReferenceUID for i in planned} == {cts[0].frame}
    (sidecar,) = derivatives.glob("sub-*/ses-01/anat/*desc-brain_mask.json")
    assert json.loads(sidecar.read_text())["Radiotherapy"] == [
        "RTSTRUCT on T1C: CT registered to the scan by FLAME",
        "RTDOSE on T1C: CT registered to the scan by FLAME",
    ]
    (move,) = derivatives.glob("sub-*/ses-01/anat/*from-T1C_to-individual*xfm.txt")
    truth = nib.load(hospital / "truth/centre-1/SIM-1-001/day-010_dseg.nii.gz")
    drawn = LabelMap(np.isin(np.asarray(truth.dataobj), (1, 3)).astype(np.uint8), truth.affine)
    (patient,) = read_cohort(derivatives, "centre-1", None).patients
    day = read_timepoint(derivatives, patient.pseudonym, "01", -10, ())
    middles = [
        (matrix @ m.affine @ [*np.argwhere(m.voxels).mean(axis=0), 1])[:3]
        for matrix, m in ((read_transform(move), drawn), (np.eye(4), day.tumour))
    ]
    assert np.linalg.norm(middles[0] - middles[1]) < 2.0  # mm
    assert day.tumour.volume == pytest.approx(drawn.volume, rel=0.05)
    table = pd.read_csv(derivatives / "dvh.tsv", sep="\t").set_index("region")
    assert list(table.index) == ["GTV", "CTV", "Brain"]
    assert table.loc["GTV", "D98"] > 0.95 * day.dose.voxels.max()
    assert table.loc["Brain", "mean"] < table.loc["CTV", "mean"] <= table.loc["GTV", "mean"]


def test_a_preprocessed_patient_is_an_evolution_case(derivatives: Path) -> None:
    (patient,) = read_cohort(derivatives, "centre-1", at_spacing(3.0)).patients
    moved = on_cube(patient)
    assert moved.baseline.to_template is not None
    case = case_of(moved, "centre-1")
    assert (case.day, [d for d, _ in case.later]) == (-10, [60])
    assert case.ml(case.tumour) == pytest.approx(patient.baseline.tumour.volume, rel=0.05)
    assert 50 < case.dose[case.tumour].mean() < 75
    assert (case.white + case.grey)[case.tumour].mean() > 0.5
    # The contour of a later day was drawn on that day's scan, and lies where the tumour was.
    (_, later) = case.later[0]
    assert (later & case.tumour).sum() > 0.5 * min(later.sum(), case.tumour.sum())


def test_second_run_skips(hospital: Path, derivatives: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in derivatives.rglob("*.nii.gz")}
    again = run(preprocess_config(hospital, derivatives))
    assert [r.status for r in again.studies] == ["skipped", "skipped"]
    assert before == {p: p.stat().st_mtime_ns for p in derivatives.rglob("*.nii.gz")}


def test_a_day_that_fails_leaves_nothing_not_even_the_older_session(copied: Path) -> None:
    dicom = copied / "centre-1" / "dicom"
    first, second = sorted(p for p in (dicom / "SIM-1-001").iterdir() if p.name.isdigit())
    for number in (2, 3):  # without T1 and T1C there is nothing to find the brain on
        shutil.rmtree(first / f"S{number:03d}")
    shutil.rmtree(second)
    (result,) = run(preprocess_config(copied, copied / "bids")).studies
    assert result.status == "failed"
    assert "deepbet finds the brain on T1 and T1C" in result.note
    assert not list((copied / "bids").glob("sub-*/ses-*"))
    quality = pd.read_csv(copied / "bids" / "quality.tsv", sep="\t")
    assert list(quality.status) == ["failed"]


def test_unreadable_pixels_are_shown_with_their_path_and_written_without(copied: Path) -> None:
    dicom = copied / "centre-1" / "dicom"
    days = sorted(p for p in (dicom / "SIM-1-001").iterdir() if p.name.isdigit())
    shutil.rmtree(days[1])
    slice_file = days[0] / "S004" / "IM0020.dcm"
    slice_file.write_bytes(slice_file.read_bytes()[:-100])
    (result,) = run(preprocess_config(copied, copied / "bids")).studies
    assert result.status == "failed"
    assert result.path == str(slice_file)
    assert "pixels of T2 cannot be decoded" in result.note
    assert "SIM-1-001" not in (copied / "bids" / "quality.tsv").read_text()


def test_patient_whose_images_are_gone_is_gone(copied: Path) -> None:
    write_mr_series(copied / "centre-1" / "dicom" / "other", ImageComments="FLAME simulation")
    shutil.rmtree(copied / "centre-1" / "dicom" / "SIM-1-001")
    with pytest.raises(BadInput, match="no patient_id in it matches"):
        run(preprocess_config(copied, copied / "bids"))
    assert len(list((copied / "bids").glob("sub-*/ses-*"))) == 2  # refused before anything changed
    (result,) = run(preprocess_config(copied, copied / "bids", clinical=None)).studies
    assert result.status == "failed"  # a few noisy slices hold no brain
    assert not list((copied / "bids").glob("sub-*/ses-*"))


@pytest.mark.slow
def test_a_second_dicom_folder_does_not_replace_the_first(copied: Path, hospital: Path) -> None:
    run(preprocess_config(copied, copied / "new"))
    before = sorted(copied.rglob("new/**/*.nii.gz"))
    with pytest.raises(BadInput, match="made from another DICOM folder"):
        run(preprocess_config(hospital, copied / "new", key=str(copied / "other.key")))
    assert sorted(copied.rglob("new/**/*.nii.gz")) == before


def test_output_inside_the_dicom_folder_and_foreign_folders_are_refused(copied: Path) -> None:
    with pytest.raises(BadInput, match="inside the DICOM folder"):
        run(preprocess_config(copied, copied / "centre-1" / "dicom" / "out"))
    (copied / "mine").mkdir()
    (copied / "mine" / "thesis.doc").write_text("keep")
    with pytest.raises(BadInput, match="holds other files"):
        run(preprocess_config(copied, copied / "mine"))


def test_folder_without_usable_series_says_why(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "dicom", slices=4)
    with pytest.raises(BadInput, match="no usable MR series \\(1 series: 4 slices, fewer than 10"):
        run(PreprocessConfig(str(tmp_path / "dicom"), str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_unfinished_cohort_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no finished cohort"):
        read_cohort(tmp_path, "c", None)


@pytest.mark.slow
def test_real_philips_head(shared: Callable[[str], Path], tmp_path: Path) -> None:
    with tarfile.open(shared("dicom/philips_elitionX_T1_MPRAGE_dcm_qa_philips_enh.tar")) as archive:
        archive.extractall(tmp_path / "dicom", filter="data")
    for packed in (tmp_path / "dicom").rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    settings = PreprocessConfig(str(tmp_path / "dicom"), str(tmp_path / "out"), StageConfig(2.0))
    (result,) = run(settings).studies
    assert result.status == "done"
    assert result.note.startswith("without T1C, T2, FLAIR; day 0 is the first imaging")
    assert 1300 < result.brain_ml < 1800
    assert result.atlas_dice > 0.93
