"""``flame preprocess``: a DICOM folder to BIDS derivatives, resumable, in parallel."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from flame.core.config import as_toml
from flame.core.errors import BadInput
from flame.core.files import write_text
from flame.io.bids import write_dataset_description
from flame.io.intake import ImportReport, inspect_folder
from flame.io.pseudonym import load_key, pseudonym
from flame.io.radiotherapy import plan_date, read_treatment
from flame.io.tables import read_table, treatment_rows
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


def run(
    config: PreprocessConfig,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[StudyResult]:
    """Preprocess every study below ``dicom``; finished ones with the same input are skipped.

    A study that fails leaves nothing and is listed with its reason in quality.tsv.
    """
    from joblib import Parallel, delayed

    if not 0.5 <= config.spacing <= 6:
        raise BadInput(f"--spacing {config.spacing}: choose a spacing from 0.5 to 6 mm")
    report = inspect_folder(Path(config.dicom))
    if not report.studies():
        reasons = sorted({s.refused for s in report.series}) or ["no MR series"]
        raise BadInput(f"{config.dicom}: no usable MR series ({'; '.join(reasons)})")
    out = Path(config.out)
    key = load_key(Path(config.key) if config.key else out.with_name(f"{out.name}.key"))
    clinical = _clinical(config.clinical)
    # Beside the folder, not in it: the DICOM path may name a patient, and OUT may be shared.
    write_text(out.with_name(f"{out.name}.toml"), as_toml(config))
    studies = _studies(report, key, clinical)
    results: list[StudyResult] = []
    work = Parallel(n_jobs=config.jobs, return_as="generator")(
        delayed(preprocess_study)(out, study, config.spacing, config.jobs > 1) for study in studies
    )
    for result in work:
        results.append(result)
        progress(len(results), len(studies))
    _write_tables(out, report, key, clinical, results)
    return results


def _clinical(path: str | None) -> pd.DataFrame | None:
    if path is None:
        return None
    return read_table(Path(path), ["patient_id"]).set_index("patient_id")


def _studies(report: ImportReport, key: bytes, clinical: pd.DataFrame | None) -> list[Study]:
    studies, sessions = [], dict[str, int]()
    for (patient_id, day), series in report.studies().items():
        subject = pseudonym(key, patient_id)
        sessions[subject] = sessions.get(subject, 0) + 1
        start = _start(report, patient_id, clinical) or _first_day(report, patient_id)
        uids = sorted(str(s.series.header.SeriesInstanceUID) for s in series.values())
        geometries = {s: r.geometry for s, r in sorted(series.items()) if r.geometry}
        relative = (day - start).days if day and start else 0
        studies.append(
            Study(subject, f"{sessions[subject]:02d}", relative, geometries,
                  tuple(pseudonym(key, u) for u in uids))
        )  # fmt: skip
    return studies


def _start(report: ImportReport, patient_id: str, clinical: pd.DataFrame | None) -> date | None:
    """First day of radiotherapy: from the clinical table, else from the plans."""
    if clinical is not None and "radiotherapy_start" in clinical and patient_id in clinical.index:
        text = str(clinical.loc[patient_id, "radiotherapy_start"])
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise BadInput(
                "clinical table, column radiotherapy_start: write dates as YYYY-MM-DD"
            ) from None
    dates = [plan_date(p.header) for p in report.plans(patient_id)]
    return min((d for d in dates if d), default=None)


def _first_day(report: ImportReport, patient_id: str) -> date | None:
    return min((d for p, d in report.studies() if p == patient_id and d), default=None)


def _write_tables(
    out: Path,
    report: ImportReport,
    key: bytes,
    clinical: pd.DataFrame | None,
    results: list[StudyResult],
) -> None:
    """Write what describes the cohort; participants.tsv last, as it marks a finished run."""
    write_dataset_description(out, out.name, report.simulated)
    refused = [
        {"patient": pseudonym(key, s.patient_id), "slices": len(s.series.instances),
         "reason": s.refused}
        for s in report.series if s.refused
    ]  # fmt: skip
    _tsv(out / "refused.tsv", refused, ["patient", "slices", "reason"])
    quality = [r.__dict__ for r in results]
    _tsv(out / "quality.tsv", quality, list(StudyResult.__dataclass_fields__))
    treatments: list[dict[str, object]] = []
    participants: list[dict[str, object]] = []
    for patient_id in dict.fromkeys(p for p, _ in report.studies()):
        subject = pseudonym(key, patient_id)
        treatments += treatment_rows(subject, read_treatment(report.plans(patient_id)))
        row: dict[str, object] = {"participant_id": f"sub-{subject}"}
        if clinical is not None and patient_id in clinical.index:
            values = clinical.loc[patient_id].drop("radiotherapy_start", errors="ignore")
            row |= {str(k): v for k, v in values.items()}
        participants.append(row)
    columns = ["patient_id", "radiation", "dose", "fractions", "start_day", "biological"]
    _tsv(out / "treatments.tsv", treatments, columns)
    _tsv(out / "participants.tsv", participants, ["participant_id"])


def _tsv(path: Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    table = pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
    write_text(path, table.to_csv(sep="\t", index=False, na_rep="n/a"))
