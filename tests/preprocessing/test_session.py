"""One day: what fails leaves no session and names no patient."""

from dataclasses import replace
from pathlib import Path

import pytest

from flame.core.cohort import Timepoint
from flame.core.errors import StageFailed
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
