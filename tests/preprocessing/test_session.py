"""One day: what fails leaves no session and names no patient."""

import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
from flame.core.imaging import Sequence
from flame.io.bids import session_folder
from flame.io.dicom.intake import inspect_folder
from flame.preprocessing import session
from flame.preprocessing.config import StageConfig
from flame.preprocessing.session import preprocess_study, remove_stale
from flame.preprocessing.stages.stage import Estimate, Place, Stage
from flame.preprocessing.studies import Context, find_studies
from flame.preprocessing.study import Study
from tests.helpers.dicom_series import write_mr_series

CONFIG = StageConfig(spacing=4.0)
KEY = b"secret"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    write_mr_series(tmp_path / "dicom", PatientID="JaneDoe")
    (only,) = find_studies(inspect_folder(tmp_path / "dicom"), Context(KEY))
    return only


def failing(error: Exception) -> Stage:
    def apply(timepoint: Timepoint, estimate: Estimate) -> Timepoint:
        raise error

    return Stage("failing", apply, Place.SCANNER)


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (StageFailed("no estimate can be trusted"), "no estimate can be trusted"),
        (ZeroDivisionError("JaneDoe"), "unexpected ZeroDivisionError"),
    ],
)
def test_a_failed_stage_leaves_not_even_an_older_session(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, note: str
) -> None:
    older = session_folder(tmp_path / "bids", study.subject, study.session)
    older.mkdir(parents=True)
    monkeypatch.setattr(session, "stages", lambda *given: [failing(error)])
    result = preprocess_study(tmp_path / "bids", study, CONFIG, KEY)
    assert result.status == "failed"
    assert result.quality == "fail"
    assert note in result.note
    assert "JaneDoe" not in result.note
    assert not older.exists()


def test_the_traceback_of_an_unexpected_error_is_in_a_local_log(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "stages", lambda *given: [failing(KeyError("JaneDoe"))])
    (tmp_path / "bids").mkdir()
    result = preprocess_study(tmp_path / "bids", study, CONFIG, KEY)
    (log,) = tmp_path.glob("*.log")  # beside the output, which may be shared
    assert log.name in result.note
    assert "Traceback" in log.read_text()
    assert f"sub-{study.subject}" in log.read_text()


def test_a_file_that_is_gone_costs_its_own_day(study: Study, tmp_path: Path) -> None:
    (gone, *_) = (tmp_path / "dicom").iterdir()
    gone.unlink()
    older = session_folder(tmp_path / "bids", study.subject, study.session)
    older.mkdir(parents=True)
    result = preprocess_study(tmp_path / "bids", study, CONFIG, KEY)
    assert result.status == "failed"
    assert result.path == str(gone)  # shown, never written
    assert str(gone) not in result.note
    assert not older.exists()


def test_a_mask_that_is_gone_costs_its_own_day(study: Study, tmp_path: Path) -> None:
    masked = replace(study, mask=str(tmp_path / "gone.nii.gz"))
    assert preprocess_study(tmp_path / "bids", masked, CONFIG, KEY).status == "failed"


def test_only_sessions_of_these_studies_stay(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "bids"
    for subject, day in ((study.subject, study.session), (study.subject, "09"), ("old", "01")):
        (session_folder(out, subject, day) / "anat").mkdir(parents=True)
    (out / ".partial-old-01-7").mkdir()
    remove_stale(out, [study])
    assert [p.name for p in out.iterdir()] == [f"sub-{study.subject}"]
    assert [p.name for p in next(out.iterdir()).iterdir()] == [f"ses-{study.session}"]


def test_each_native_scan_has_a_brain_that_fits_it(
    day_with_brain: Timepoint, tmp_path: Path
) -> None:
    """The header of FLAIR is 20 mm off; the true brain has the same voxels in both scans."""
    series = {}
    for sequence, scan in day_with_brain.scans.items():
        affine = scan.affine.copy()
        affine[2, 3] += 20.0 if sequence is Sequence.FLAIR else 0.0
        series[sequence] = tmp_path / f"{sequence}.nii.gz"
        nib.save(nib.Nifti1Image(scan.voxels, affine), series[sequence])
    assert day_with_brain.brain is not None
    true = day_with_brain.brain.voxels > 0
    nib.save(
        nib.Nifti1Image(day_with_brain.brain.voxels, day_with_brain.brain.affine),
        tmp_path / "brain.nii.gz",
    )
    study = Study("p", "01", 0, series, (), mask=str(tmp_path / "brain.nii.gz"))
    result = preprocess_study(tmp_path / "bids", study, replace(CONFIG, native=True), KEY)
    assert result.status == "done", result.note
    names = {p.name for p in (tmp_path / "bids").rglob("*space-orig_desc-brain*_mask.nii.gz")}
    assert names == {
        "sub-p_ses-01_ce-gad_space-orig_desc-brainT1w_mask.nii.gz",
        "sub-p_ses-01_space-orig_desc-brainFLAIR_mask.nii.gz",
    }
    for name in names:
        (path,) = (tmp_path / "bids").rglob(name)
        found = np.asarray(nib.load(path).dataobj) > 0
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.97


@pytest.mark.parametrize("fault", ["gone", "cut"])
def test_a_session_with_a_damaged_image_is_made_again(
    day_with_brain: Timepoint, tmp_path: Path, fault: str
) -> None:
    scan = day_with_brain.scans[Sequence.T1C]
    assert day_with_brain.brain is not None
    for name, image in (("t1c", scan), ("brain", day_with_brain.brain)):
        nib.save(nib.Nifti1Image(image.voxels, image.affine), tmp_path / f"{name}.nii.gz")
    series = {Sequence.T1C: tmp_path / "t1c.nii.gz"}
    study = Study("p", "01", 0, series, (), mask=str(tmp_path / "brain.nii.gz"))
    out = tmp_path / "bids"
    statuses = [preprocess_study(out, study, CONFIG, KEY).status for _ in range(2)]
    assert statuses == ["done", "skipped"]
    (image,) = out.rglob("*desc-preproc_T1w.nii.gz")
    content = image.read_bytes()
    image.unlink() if fault == "gone" else image.write_bytes(content[:1000])
    assert preprocess_study(out, study, CONFIG, KEY).status == "done"
    assert gzip.decompress(image.read_bytes()) == gzip.decompress(content)
    assert image.read_bytes() == content
