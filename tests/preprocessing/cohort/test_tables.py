"""Tables of a cohort: pseudonyms in place of names, n/a in place of gaps."""

import json
from pathlib import Path

import pandas as pd

from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.dicom.intake import inspect_folder
from flame.io.pseudonym import pseudonym
from flame.preprocessing.cohort.clinical import ClinicalTable
from flame.preprocessing.cohort.tables import refused_rows, write_participants, write_tables
from flame.preprocessing.study import NAN, StudyResult
from tests.helpers.dicom_series import write_mr_series

KEY = b"secret"


def test_no_name_of_a_patient_is_written(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "dicom" / "good", PatientID="JaneDoe")
    write_mr_series(tmp_path / "dicom" / "gap", series="2", PatientID="JaneDoe")[5].unlink()
    report = inspect_folder(tmp_path / "dicom")
    out = tmp_path / "bids"
    out.mkdir()
    result = StudyResult("s", "01", -3, "done", "T1", 1300.0, 0.9, "pass", "a note", "/JaneDoe")
    clinical = ClinicalTable({"JaneDoe": {"age": 61.0, "mgmt": NAN}})
    treatment = Treatment((Phase(Radiation.PROTON, 60.0, 30),))
    write_tables(out, report, KEY, clinical, {"JaneDoe": treatment}, [result])
    for path in out.iterdir():
        assert "JaneDoe" not in path.read_text(), path
    subject = f"sub-{pseudonym(KEY, 'JaneDoe')}"
    participants = pd.read_csv(out / "participants.tsv", sep="\t", keep_default_na=False)
    assert participants.to_dict("records") == [
        {"participant_id": subject, "age": 61, "mgmt": "n/a"}
    ]
    treatments = pd.read_csv(out / "treatments.tsv", sep="\t")
    assert treatments.radiation.tolist() == ["proton"]
    assert subject.removeprefix("sub-") in (out / "treatments.tsv").read_text()
    quality = pd.read_csv(out / "quality.tsv", sep="\t")
    assert quality[["day", "status", "brain_ml"]].to_numpy().tolist() == [[-3, "done", 1300.0]]
    (refused,) = refused_rows(report, KEY)
    assert refused["participant_id"] == subject
    assert refused["slices"] == 11
    assert refused["rule"] == "geometry"


def test_a_series_without_a_date_says_so(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "dicom", StudyDate="", SeriesDescription="Jane T1")
    (refused,) = refused_rows(inspect_folder(tmp_path / "dicom"), KEY)
    assert refused["rule"] == "date"
    assert "no valid date in" in str(refused["reason"])
    assert "--dates" in str(refused["reason"])
    assert "Jane" not in str(refused)


def test_a_description_that_decides_is_not_written(tmp_path: Path) -> None:
    write_mr_series(tmp_path / "dicom", SeriesDescription="Jane localizer")
    (refused,) = refused_rows(inspect_folder(tmp_path / "dicom"), KEY)
    assert (refused["rule"], refused["reason"]) == ("rejected", "")


def test_columns_are_described_by_their_origin(tmp_path: Path) -> None:
    write_participants(tmp_path, {"a": {"age": 50.0}}, {}, "As published")
    described = json.loads((tmp_path / "participants.json").read_text())
    assert described["age"]["Description"] == "As published"
    assert described["participant_id"]["Description"] == "Name in the data set"


def test_a_cohort_of_nobody_has_headed_tables(tmp_path: Path) -> None:
    write_participants(tmp_path, {}, {}, "")
    assert (tmp_path / "participants.tsv").read_text() == "participant_id\n"
