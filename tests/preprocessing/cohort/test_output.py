"""The output folder belongs to one DICOM folder and one key, and holds what it holds."""

from dataclasses import replace
from pathlib import Path

import pytest

from flame.core.errors import BadInput
from flame.preprocessing.cohort.output import check_output, claim_output
from flame.preprocessing.study import Study

KEY = b"k" * 32
DAY = Study("s1", "01", 0, {}, (), "")


def made(tmp_path: Path, *sessions: str) -> Path:
    out = tmp_path / "out"
    claim_output(out, tmp_path / "dicom", KEY, [])
    for session in sessions:
        (out / session).mkdir(parents=True)
    return out


def test_any_other_file_may_lie_in_a_folder_of_flame(tmp_path: Path) -> None:
    out = made(tmp_path)
    for name in ("response.tsv", "progression.tsv", ".DS_Store", "notes.docx"):
        (out / name).write_text("")
    check_output(tmp_path / "dicom", out)
    assert (out / "notes.docx").exists()


def test_a_new_folder_may_hold_files_of_the_system_and_decisions(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in (".DS_Store", "._x", "Thumbs.db", "decisions.tsv"):
        (out / name).write_text("")
    check_output(tmp_path / "dicom", out)
    (out / "thesis.doc").write_text("")
    with pytest.raises(BadInput, match=r"holds other files, such as thesis\.doc"):
        check_output(tmp_path / "dicom", out)


def test_a_dicom_folder_that_moved_goes_on(tmp_path: Path) -> None:
    out = made(tmp_path, "sub-s1/ses-01")
    claim_output(out, tmp_path / "elsewhere", KEY, [DAY, replace(DAY, session="02")])
    claim_output(out, tmp_path / "elsewhere", KEY, [])  # now it is its own


def test_a_folder_without_its_sessions_or_with_another_key_is_refused(tmp_path: Path) -> None:
    out = made(tmp_path, "sub-s1/ses-01", "sub-s1/ses-02")
    for dicom, key in (("elsewhere", KEY), ("dicom", b"x" * 32)):
        with pytest.raises(BadInput, match="made from another DICOM folder or with another key"):
            claim_output(out, tmp_path / dicom, key, [DAY])


def test_a_marker_of_the_version_before_is_known(tmp_path: Path) -> None:
    out = made(tmp_path)
    marker = out / ".source"
    marker.write_text(marker.read_text().split()[1])  # it held the hash of the path alone
    claim_output(out, tmp_path / "dicom", KEY, [])
