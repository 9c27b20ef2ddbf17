"""Contrast tags against the order of acquisition."""

from pathlib import Path

from flame.core.imaging import Sequence
from flame.io.dicom.intake import inspect_folder
from tests.helpers.dicom_series import write_mr_series

AGENT = {"ContrastBolusAgent": "GADOVIST"}


def sequences(folder: Path) -> dict[str, str]:
    found = inspect_folder(folder)
    return {s.series.folder.name: str(s.verdict.sequence) for s in found.series}


def test_agent_in_a_series_before_the_named_one_is_stale(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "pre", series="1", AcquisitionTime="100000", **AGENT)
    write_mr_series(
        tmp_path / "post", series="2", AcquisitionTime="101500", SeriesDescription="t1 +C", **AGENT
    )
    assert sequences(tmp_path) == {"pre": "T1", "post": "T1C"}
    report = inspect_folder(tmp_path)
    assert {s for study in report.studies().values() for s in study} == {Sequence.T1, Sequence.T1C}


def test_silent_series_after_the_named_one_has_contrast_too(tmp_path: Path) -> None:
    write_mr_series(
        tmp_path / "named", series="1", AcquisitionTime="100000", SeriesDescription="t1 gd"
    )
    write_mr_series(tmp_path / "silent", series="2", AcquisitionTime="101500")
    assert sequences(tmp_path) == {"named": "T1C", "silent": "T1C"}


def test_agent_alone_is_believed_where_nothing_speaks_against_it(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "only", series="1", AcquisitionTime="100000", **AGENT)
    assert sequences(tmp_path) == {"only": "T1C"}


def test_another_day_says_nothing(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "early", series="1", AcquisitionTime="100000", **AGENT)
    write_mr_series(
        tmp_path / "late",
        series="2",
        AcquisitionTime="110000",
        StudyDate="20200202",
        SeriesDescription="t1 gd",
    )
    assert sequences(tmp_path) == {"early": "T1C", "late": "T1C"}


def test_another_examination_of_the_day_says_nothing(tmp_path: Path) -> None:
    write_mr_series(
        tmp_path / "navigation",
        series="1",
        AcquisitionTime="080000",
        SeriesDescription="t1 post gd",
    )
    write_mr_series(
        tmp_path / "evening", series="2", AcquisitionTime="160000", StudyInstanceUID="1.2.4"
    )
    assert sequences(tmp_path) == {"navigation": "T1C", "evening": "T1"}


def test_a_verdict_by_order_is_noted(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "pre", series="1", AcquisitionTime="100000", **AGENT)
    write_mr_series(
        tmp_path / "post", series="2", AcquisitionTime="101500", SeriesDescription="t1 +C", **AGENT
    )
    (note,) = [s.note for s in inspect_folder(tmp_path).series if s.note]
    assert note.startswith("T1C by ContrastBolusAgent (0018,0010), taken as T1: acquired before")


def test_a_subtraction_is_no_t1_even_as_a_reformat(tmp_path: Path) -> None:
    write_mr_series(tmp_path, ImageType=["DERIVED", "SECONDARY", "MPR", "SUBTRACTION"])
    (report,) = inspect_folder(tmp_path).series
    assert report.refused.startswith("ImageType (0008,0008) contains SUBTRACTION;")


def test_a_reformat_is_kept_only_where_there_is_no_original(tmp_path: Path) -> None:
    reformat = ["DERIVED", "SECONDARY", "MPR"]
    write_mr_series(tmp_path / "mpr", series="1", ImageType=reformat)
    (report,) = inspect_folder(tmp_path).series
    assert report.taken
    assert "a reformat of another series" in report.verdict.evidence
    write_mr_series(tmp_path / "original", series="2", step=5.0)
    taken = [s.series.folder.name for s in inspect_folder(tmp_path).series if s.taken]
    assert taken == ["original"]
