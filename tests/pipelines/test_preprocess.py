"""From DICOM to BIDS derivatives on simulated days, and on what hospitals get wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from flame.core.errors import BadInput
from flame.io.pseudonym import load_key, pseudonym
from flame.pipelines.preprocess import PreprocessConfig, run
from flame.pipelines.simulate import SimulateConfig
from flame.pipelines.simulate import run as simulate
from flame.preprocessing.cohort import read_cohort
from tests.conftest import write_mr_series


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hospital") / "out"
    simulate(SimulateConfig(str(out), 1, 1, 3.0, 4, (-10, 60), 1))
    return out


@pytest.fixture(scope="module")
def derivatives(hospital: Path) -> Path:
    results = run(config(hospital, hospital / "bids"))
    assert [r.status for r in results] == ["done", "done"]
    return hospital / "bids"


def config(hospital: Path, out: Path, **changes: object) -> PreprocessConfig:
    centre = hospital / "centre-1"
    settings = {"spacing": 3.0, "clinical": str(centre / "clinical.tsv")}
    return PreprocessConfig(
        str(centre / "dicom"),
        str(out),
        **{**settings, **changes},  # type: ignore[arg-type]
    )


def test_layout_days_and_tables(hospital: Path, derivatives: Path) -> None:
    subject = pseudonym(load_key(hospital / "bids.key"), "SIM-1-001")
    anat = derivatives / f"sub-{subject}" / "ses-01" / "anat"
    stem = f"sub-{subject}_ses-01"
    space = "space-MNI152NLin2009aSym"
    assert {p.name for p in anat.glob("*.nii.gz")} == {
        f"{stem}_{space}_desc-preproc_T1w.nii.gz",
        f"{stem}_ce-gad_{space}_desc-preproc_T1w.nii.gz",
        f"{stem}_{space}_desc-preproc_T2w.nii.gz",
        f"{stem}_{space}_desc-preproc_FLAIR.nii.gz",
        f"{stem}_{space}_desc-brain_mask.nii.gz",
    }
    days = [
        json.loads(p.read_text())["Day"]
        for p in sorted(derivatives.glob("sub-*/ses-*/anat/*T2w.json"))
    ]
    assert days == [-10, 60]
    (cohort,) = [read_cohort(derivatives, "centre-1", 6.0)]
    (patient,) = cohort.patients
    assert cohort.simulated
    assert patient.treatment is not None
    assert patient.baseline.day == -10
    assert patient.clinical["age"] > 20
    assert patient.outcome.response is not None


def test_scans_are_aligned_with_the_truth(hospital: Path, derivatives: Path) -> None:
    # Oedema is brightest on FLAIR: what is bright in atlas space must be tumour in the truth,
    # compared by volume as the truth lies in the patient's own space.
    path = next(derivatives.glob("sub-*/ses-01/anat/*FLAIR.nii.gz"))
    brain = nib.load(next(derivatives.glob("sub-*/ses-01/anat/*mask.nii.gz")))
    flair = nib.load(path).get_fdata()
    inside = np.asarray(brain.dataobj) > 0
    assert flair[inside].mean() == pytest.approx(0, abs=1e-3)
    assert not flair[~inside].any()
    assert np.allclose(brain.affine, nib.load(path).affine)


def test_nothing_identifying_is_written(hospital: Path, derivatives: Path) -> None:
    files = [p for p in derivatives.rglob("*") if p.is_file()]
    assert len(files) > 20
    for path in files:
        text = path.read_bytes()
        for secret in (b"SIM-1-001", b"Simulated^Patient", str(hospital).encode()):
            assert secret not in text, path
            assert secret.decode() not in str(path.relative_to(derivatives))


def test_second_run_skips_and_a_new_spacing_does_not(hospital: Path, derivatives: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in derivatives.rglob("*.nii.gz")}
    assert [r.status for r in run(config(hospital, derivatives))] == ["skipped", "skipped"]
    assert before == {p: p.stat().st_mtime_ns for p in derivatives.rglob("*.nii.gz")}


def test_one_failing_day_leaves_nothing_and_is_listed(hospital: Path, tmp_path: Path) -> None:
    dicom = tmp_path / "centre-1" / "dicom"
    shutil.copytree(hospital / "centre-1", tmp_path / "centre-1")
    first, second = sorted(p for p in (dicom / "SIM-1-001").iterdir() if p.name.isdigit())
    for number in (2, 3):  # without T1 and T1C there is nothing to find the brain on
        shutil.rmtree(first / f"S{number:03d}")
    shutil.rmtree(second)
    (result,) = run(config(tmp_path, tmp_path / "bids"))
    assert result.status == "failed"
    assert "T1 or T1C is needed" in result.note
    assert not list((tmp_path / "bids").glob("sub-*"))
    quality = pd.read_csv(tmp_path / "bids" / "quality.tsv", sep="\t")
    assert list(quality.status) == ["failed"]


def test_folder_without_usable_series_says_why(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "dicom", slices=4)
    with pytest.raises(BadInput, match="no usable MR series \\(4 slices, fewer than 10\\)"):
        run(PreprocessConfig(str(tmp_path / "dicom"), str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_unfinished_cohort_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no finished cohort"):
        read_cohort(tmp_path, "c", None)


@pytest.mark.slow
def test_real_philips_head(shared: Callable[[str], Path], tmp_path: Path) -> None:
    import gzip
    import tarfile

    with tarfile.open(shared("dicom/philips_elitionX_T1_MPRAGE_dcm_qa_philips_enh.tar")) as archive:
        archive.extractall(tmp_path / "dicom", filter="data")
    for packed in (tmp_path / "dicom").rglob("*.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    (result,) = run(PreprocessConfig(str(tmp_path / "dicom"), str(tmp_path / "out"), 2.0))
    assert result.status == "done"
    assert result.note == "without T1C, T2, FLAIR"
    assert 1300 < result.brain_ml < 1800
    assert result.atlas_dice > 0.93
