"""``flame preprocess``: a DICOM folder to BIDS derivatives, resumable, in parallel."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from flame.core.config import as_toml
from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.core.treatment import Treatment
from flame.io.bids import session_folder, write_dataset_description
from flame.io.intake import ImportReport, inspect_folder
from flame.io.pseudonym import load_key, pseudonym
from flame.io.radiotherapy import plan_date, read_treatment
from flame.io.tables import TREATMENT_COLUMNS, treatment_rows
from flame.pipelines.parallel import in_parallel
from flame.preprocessing.clinical import ClinicalTable, printable, read_clinical
from flame.preprocessing.session import Study, StudyResult, preprocess_study


@dataclass(frozen=True)
class PreprocessConfig:
    """``clinical`` is a table keyed by the DICOM PatientID; ``key`` the pseudonym key file."""

    dicom: str
    out: str
    spacing: float = 1.0
    jobs: int = 1
    clinical: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class PreprocessResult:
    """Every study's result, and what the user should look at."""

    studies: tuple[StudyResult, ...]
    warnings: tuple[str, ...]


def run(
    config: PreprocessConfig,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PreprocessResult:
    """Preprocess every study below ``dicom``; finished ones with the same input are skipped.

    OUT mirrors the DICOM folder: sessions whose images are gone are removed. A study that fails
    leaves nothing and is listed with its reason in quality.tsv.
    """
    dicom, out = Path(config.dicom), Path(config.out)
    _check(config, dicom, out)
    clinical = read_clinical(Path(config.clinical) if config.clinical else None)
    report = inspect_folder(dicom)
    if not report.studies():
        reasons = sorted({s.refused for s in report.series}) or ["no MR series"]
        raise BadInput(f"{dicom}: no usable MR series ({'; '.join(reasons)})")
    simulated = report.simulated
    # The key stays with the DICOM files, never beside what may be shared.
    key = load_key(Path(config.key) if config.key else dicom.with_name(f"{dicom.name}.key"))
    _same_source(out, pseudonym(key, str(dicom.resolve())))
    treatments, warnings = _treatments(report)
    damaged = [u for u in report.unreadable if u.damaged]
    if damaged:
        warnings.append(f"{len(damaged)} damaged files, the first {damaged[0].path}")
    studies = _studies(report, key, clinical)
    warnings += _clinical_warnings(report, clinical, config.clinical)
    (out / "participants.tsv").unlink(missing_ok=True)  # its absence says: not finished
    _remove_stale(out, studies)
    results = []
    work = [(out, study, config.spacing, key, config.jobs > 1) for study in studies]
    for result in in_parallel(preprocess_study, work, config.jobs):
        results.append(result)
        progress(len(results), len(studies))
    public = replace(config, dicom="", out="", clinical=None, key=None)
    write_text(out / "preprocess.toml", as_toml(public))
    write_dataset_description(out, out.name, simulated)
    _write_tables(out, report, key, clinical, treatments, results)
    return PreprocessResult(tuple(results), tuple(warnings))


def _check(config: PreprocessConfig, dicom: Path, out: Path) -> None:
    if not 0.5 <= config.spacing <= 6:
        raise BadInput(f"--spacing {config.spacing}: choose a spacing from 0.5 to 6 mm")
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; give a folder")
    if out.resolve().is_relative_to(dicom.resolve()):
        raise BadInput(f"{out} lies inside the DICOM folder; give a folder outside it")
    foreign = out.exists() and any(out.iterdir()) and not _ours(out)
    if foreign:
        raise BadInput(f"{out} holds other files; give a new folder")


def _same_source(out: Path, source: str) -> None:
    """OUT mirrors one DICOM folder; with another one the first one's sessions would be removed."""
    marker = out / ".source"
    if marker.exists() and marker.read_text(encoding="utf-8") != source:
        raise BadInput(
            f"{out} was made from another DICOM folder or with another key; give a new OUT, or "
            "put all patients of the centre below one folder"
        )
    write_text(marker, source)


def _ours(out: Path) -> bool:
    known = (
        ".partial-", ".source", ".bidsignore", "sub-", "dataset_description.json",
        "participants.tsv", "treatments.tsv", "quality.tsv", "refused.tsv", "preprocess.toml",
    )  # fmt: skip
    return all(p.name.startswith(known) for p in out.iterdir())


def _treatments(report: ImportReport) -> tuple[dict[str, Treatment], list[str]]:
    """Treatment by PatientID; a plan that cannot be read costs its patient's treatment only."""
    found, warnings = {}, []
    for patient_id in report.radiotherapy:
        try:
            treatment = read_treatment(report.plans(patient_id))
        except BadInput as error:
            warnings.append(f"no treatment taken: {error}")
            continue
        if treatment:
            found[patient_id] = treatment
    return found, warnings


def _studies(report: ImportReport, key: bytes, clinical: ClinicalTable) -> list[Study]:
    studies, sessions = [], dict[str, int]()
    for (patient_id, day), series in report.studies().items():
        subject = pseudonym(key, patient_id)
        sessions[subject] = sessions.get(subject, 0) + 1
        start, note = _day_zero(report, patient_id, clinical)
        uids = sorted(str(s.series.header.SeriesInstanceUID) for s in series.values())
        geometries = {s: r.geometry for s, r in sorted(series.items()) if r.geometry}
        studies.append(
            Study(subject, f"{sessions[subject]:02d}", (day - start).days, geometries,
                  tuple(pseudonym(key, u) for u in uids), note)
        )  # fmt: skip
    return studies


def _day_zero(report: ImportReport, patient_id: str, clinical: ClinicalTable) -> tuple[date, str]:
    """First day of radiotherapy and how sure that is: table, then plans, then first imaging."""
    if patient_id in clinical.starts:
        return clinical.starts[patient_id], ""
    dates = [d for p in report.plans(patient_id) if (d := plan_date(p.header))]
    if dates:
        return min(dates), "day 0 is the date of the first plan"
    first = min(day for patient, day in report.studies() if patient == patient_id)
    return first, "day 0 is the first imaging: no date of radiotherapy"


def _remove_stale(out: Path, studies: list[Study]) -> None:
    wanted = {session_folder(out, s.subject, s.session) for s in studies}
    for folder in out.glob("sub-*/ses-*"):
        if folder not in wanted:
            shutil.rmtree(folder)
    for folder in [*out.glob("sub-*"), *out.glob(".partial-*")]:
        if folder.name.startswith(".partial-") or not any(folder.iterdir()):
            shutil.rmtree(folder)


def _clinical_warnings(
    report: ImportReport, clinical: ClinicalTable, path: str | None
) -> list[str]:
    if path is None:
        return []
    patients = {p for p, _ in report.studies()}
    without = len(patients - clinical.rows.keys())
    warnings = []
    if without == len(patients):
        raise BadInput(f"{path}: no patient_id in it matches a DICOM PatientID (0010,0020)")
    if without:
        warnings.append(f"{path}: {without} of {len(patients)} patients have no row in it")
    if clinical.dropped:
        columns = ", ".join(clinical.dropped)
        warnings.append(f"{path}: columns that are not numbers were left out: {columns}")
    return warnings


def _write_tables(
    out: Path,
    report: ImportReport,
    key: bytes,
    clinical: ClinicalTable,
    treatments: dict[str, Treatment],
    results: list[StudyResult],
) -> None:
    """Write what describes the cohort; participants.tsv last, as it marks a finished run."""
    refused = [
        {"patient": pseudonym(key, s.patient_id), "slices": len(s.series.instances),
         "rule": "geometry" if s.verdict.sequence and not s.geometry else s.verdict.rule}
        for s in report.series if s.refused
    ]  # fmt: skip
    _tsv(out / "refused.tsv", refused, ["patient", "slices", "rule"])
    shown = [f.name for f in fields(StudyResult) if f.name != "path"]
    _tsv(out / "quality.tsv", [{n: getattr(r, n) for n in shown} for r in results], shown)
    courses: list[dict[str, object]] = []
    participants: list[dict[str, object]] = []
    for patient_id in dict.fromkeys(p for p, _ in report.studies()):
        subject = pseudonym(key, patient_id)
        courses += treatment_rows(subject, treatments.get(patient_id))
        values = clinical.rows.get(patient_id, {})
        cells = {name: printable(value) for name, value in values.items()}
        participants.append({"participant_id": f"sub-{subject}", **cells})
    _tsv(out / "treatments.tsv", courses, list(TREATMENT_COLUMNS))
    _tsv(out / "participants.tsv", participants, ["participant_id"])


def _tsv(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    table = pd.DataFrame(rows, dtype=object) if rows else pd.DataFrame(columns=columns)
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="n/a"))
