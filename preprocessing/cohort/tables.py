"""Tables that describe a preprocessed cohort."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from flame.core.files import write_text
from flame.core.treatment import Treatment
from flame.io.bids import DOSE_VOLUME, session_folder
from flame.io.dicom.intake import ImportReport
from flame.io.dicom.series_report import SeriesReport
from flame.io.pseudonym import pseudonym
from flame.io.tables import TREATMENT_COLUMNS, treatment_rows
from flame.preprocessing.cohort.clinical import ClinicalTable, printable
from flame.preprocessing.study import StudyResult

REFUSED_COLUMNS = ("participant_id", "slices", "rule", "reason")
"""Columns of refused.tsv."""


def write_tables(
    out: Path,
    report: ImportReport,
    key: bytes,
    clinical: ClinicalTable,
    treatments: dict[str, Treatment],
    results: list[StudyResult],
) -> None:
    """Write the tables of a cohort.

    participants.tsv is written last, as it marks a cohort whose preprocessing has finished.

    Args:
        out: output folder of preprocessing.
        report: import report of the DICOM folder.
        key: secret key of the pseudonyms.
        clinical: clinical table of the hospital.
        treatments: course of radiotherapy by PatientID.
        results: result of each day.
    """
    _tsv(out / "refused.tsv", refused_rows(report, key), list(REFUSED_COLUMNS))
    _tsv(out / DOSE_VOLUME, _dose_volume(out, results), ["participant_id", "session", "region"])
    write_quality(out, results)
    names = {p: pseudonym(key, p) for p in dict.fromkeys(e.patient_id for e in report.studies())}
    write_participants(
        out,
        {s: clinical.rows.get(p, {}) for p, s in names.items()},
        {s: treatments[p] for p, s in names.items() if p in treatments},
        "As the hospital's clinical table gives it",
        "Keyed hash",
    )


def write_quality(out: Path, results: list[StudyResult]) -> None:
    """Write quality.tsv with one row per day.

    Args:
        out: output folder of preprocessing.
        results: result of each day.
    """
    shown = [f.name for f in fields(StudyResult) if f.name not in ("path", "checks", "picture")]
    _tsv(out / "quality.tsv", [{n: getattr(r, n) for n in shown} for r in results], shown)


def write_participants(
    out: Path,
    clinical: Mapping[str, Mapping[str, float]],
    treatments: Mapping[str, Treatment],
    origin: str,
    naming: str = "Name in the data set",
) -> None:
    """Write treatments.tsv and then participants.tsv and its description.

    Args:
        out: output folder of preprocessing.
        clinical: clinical values by subject and name; NaN if missing.
        treatments: course of radiotherapy by subject.
        origin: description of the clinical columns.
        naming: description of the column participant_id.
    """
    courses: list[dict[str, object]] = []
    participants: list[dict[str, object]] = []
    for subject, values in clinical.items():
        courses += treatment_rows(subject, treatments.get(subject))
        cells = {name: printable(value) for name, value in values.items()}
        participants.append({"participant_id": f"sub-{subject}", **cells})
    _tsv(out / "treatments.tsv", courses, list(TREATMENT_COLUMNS))
    columns = list(dict.fromkeys(name for row in participants for name in row))
    described = {name: {"Description": origin} for name in columns}
    described["participant_id"] = {"Description": naming}
    write_text(out / "participants.json", json.dumps(described, indent=2))
    _tsv(out / "participants.tsv", participants, ["participant_id"])


def refused_rows(report: ImportReport, key: bytes) -> list[dict[str, object]]:
    """Collect the refused series of a DICOM folder, under the patients' pseudonyms.

    Series descriptions are left out, as they are free text.

    Args:
        report: import report of the DICOM folder.
        key: secret key of the pseudonyms.

    Returns:
        Rows of refused.tsv, with the columns REFUSED_COLUMNS.
    """
    return [
        {
            "participant_id": f"sub-{pseudonym(key, s.patient_id)}",
            "slices": len(s.series.instances),
            "rule": _rule(s),
            "reason": "" if _rule(s) == "rejected" else s.refused,
        }
        for s in report.series
        if s.refused
    ]


def _dose_volume(out: Path, results: list[StudyResult]) -> list[dict[str, object]]:
    """Collect the dose-volume figures of the sessions."""
    rows: list[dict[str, object]] = []
    for result in results:
        folder = session_folder(out, result.subject, result.session) / "anat"
        for path in folder.glob(f"*_{DOSE_VOLUME}"):
            who = {"participant_id": f"sub-{result.subject}", "session": result.session}
            cells = pd.read_csv(path, sep="\t", dtype=str).to_dict("records")
            rows += [{**who, "day": result.day, **{str(k): v for k, v in c.items()}} for c in cells]
    return rows


def _rule(series: SeriesReport) -> str:
    """Return what decided against a series; the reason of "rejected" may quote its description."""
    if series.day is None:
        return "date"
    if series.verdict.sequence and not series.geometry:
        return "geometry"
    return series.verdict.rule


def _tsv(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    table = pd.DataFrame(rows, dtype=object) if rows else pd.DataFrame(columns=columns)
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="n/a"))
