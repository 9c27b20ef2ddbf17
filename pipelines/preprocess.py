"""``flame preprocess``: a DICOM folder to BIDS derivatives, resumable and in parallel."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.files import locked, write_text
from flame.core.progress import Progress, silent
from flame.core.treatment import Treatment
from flame.io.bids import write_dataset_description
from flame.io.dicom.intake import ImportReport, inspect_folder
from flame.io.dicom.region_names import read_roi_names
from flame.io.pseudonym import load_key
from flame.io.tables import read_treatments
from flame.pipelines.parallel import in_parallel
from flame.preprocessing.cohort.clinical import ClinicalTable, read_clinical
from flame.preprocessing.cohort.output import check_output, claim_output
from flame.preprocessing.cohort.tables import refused_rows, write_tables
from flame.preprocessing.config import StageConfig
from flame.preprocessing.quality.report import write_quality_report
from flame.preprocessing.quality.reviews import read_decisions, unmatched, without_day
from flame.preprocessing.session import killed_patient, preprocess_patient, remove_stale
from flame.preprocessing.studies import Context, find_studies
from flame.preprocessing.study import Study, StudyResult

_SHOWN_REASONS = 3
"""Number of reasons that the message lists when no series is usable."""


@dataclass(frozen=True)
class PreprocessConfig:
    """Settings of preprocessing.

    Args:
        dicom: folder of DICOM files.
        out: folder of BIDS derivatives.
        stages: parameters of the stages.
        jobs: number of parallel processes.
        clinical: table of clinical values by DICOM PatientID; None: none.
        treatments: table of radiotherapy by DICOM PatientID; None: RT Plan files alone.
        key: file of the pseudonym key; None: DICOM.key next to the DICOM folder.
        sequences: table in which a person names the sequence of series; None: no overrides.
        masks: folder of brain masks; None: brain extraction.
        scheduler: address of a Dask scheduler; None: processes of this machine.
        tumours: folder of tumour masks; None: contours of the DICOM folder alone.
        roi_names: table of the centre's names of structures; None: TG-263 and common usage.
        dates: table in which a person names the days of studies; None: those of the headers.
    """

    dicom: str
    out: str
    stages: StageConfig = field(default_factory=StageConfig)
    jobs: int = 1
    clinical: str | None = None
    treatments: str | None = None
    key: str | None = None
    sequences: str | None = None
    masks: str | None = None
    scheduler: str | None = None
    tumours: str | None = None
    dates: str | None = None
    roi_names: str | None = None


@dataclass(frozen=True)
class PreprocessResult:
    """Result of ``flame preprocess``.

    Args:
        studies: result of every day.
        warnings: warnings to show.
        html: path of the quality report.
    """

    studies: tuple[StudyResult, ...]
    warnings: tuple[str, ...]
    html: Path


def run(
    config: PreprocessConfig,
    progress: Progress = silent,
) -> PreprocessResult:
    """Preprocess every day of a DICOM folder; skip finished days with unchanged input.

    OUT mirrors the DICOM folder: sessions without images any more are removed. A failed day leaves
    no files; quality.tsv lists it with its reason.

    Args:
        config: settings of preprocessing.
        progress: called with days done and the total.

    Returns:
        Results of all days, warnings, and the quality report.

    Raises:
        BadInput: a folder or table cannot be used, or no MR series is usable.
        FlameError: another process writes to OUT, or a working process was killed.
    """
    dicom = Path(config.dicom).resolve()
    out = Path(config.out)
    check_output(dicom, out)
    clinical = read_clinical(_path(config.clinical))
    report = inspect_folder(dicom, overrides=_path(config.sequences), dates=_path(config.dates))
    if not report.studies():
        raise BadInput(f"{dicom}: {_nothing_usable(report)}")
    simulated = report.simulated
    treatments, warnings = _treatments(report, _path(config.treatments))
    warnings += _clinical_warnings(report, clinical, config.clinical)
    damaged = [u for u in report.unreadable if u.damaged]
    if damaged:
        first = damaged[0]
        warnings.append(
            f"{len(damaged)} damaged files, the first {first.path} ({first.reason}): export them "
            "again; flame inspect lists them"
        )
    lost = {s.patient_id for s in report.series} - {e.patient_id for e in report.studies()}
    if lost:
        warnings.append(f"{len(lost)} patients have no usable day; refused.tsv says why")
    # The key stays with the DICOM files, never beside what may be shared.
    key_file = _path(config.key) or dicom.with_name(f"{dicom.name}.key")
    if config.key and not key_file.exists():
        warnings.append(f"no pseudonym key at {key_file}: a new one was made, with new pseudonyms")
    key = load_key(key_file)
    decisions = read_decisions(out)
    studies = find_studies(
        report,
        Context(
            key,
            clinical,
            decisions,
            _path(config.masks),
            _path(config.tumours),
            read_roi_names(_path(config.roi_names)),
        ),
    )
    warnings += without_day(decisions)
    warnings += unmatched(decisions, [(s.subject, s.session) for s in studies])
    with locked(out / ".lock"):
        claim_output(out, dicom, key, studies)
        results = run_studies(
            out, studies, config.stages, key, config.jobs, config.scheduler, progress
        )
        write_text(out / "preprocess.toml", config.stages.public_toml())
        write_dataset_description(out, out.name, simulated)
        html = write_quality_report(out, results, decisions, refused_rows(report, key), simulated)
        write_tables(out, report, key, clinical, treatments, results)
    return PreprocessResult(tuple(results), tuple(warnings), html)


def _nothing_usable(report: ImportReport) -> str:
    """Say why no series is usable: the most frequent reasons, and the remedy."""
    reasons = Counter(s.refused for s in report.series).most_common(_SHOWN_REASONS)
    if not reasons:
        return "no usable MR series (no MR series)"
    listed = "; ".join(f"{count} series: {reason}" for reason, count in reasons)
    return f"no usable MR series ({listed}). flame inspect lists every series"


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def run_studies(
    out: Path,
    studies: list[Study],
    stages: StageConfig,
    key: bytes,
    jobs: int,
    scheduler: str | None,
    progress: Callable[[int, int], None],
) -> list[StudyResult]:
    """Preprocess patients in parallel; remove sessions of other days.

    Args:
        out: folder of BIDS derivatives.
        studies: the days.
        stages: parameters of the stages.
        key: pseudonym key.
        jobs: number of parallel processes.
        scheduler: address of a Dask scheduler; None: processes of this machine.
        progress: called with days done and the total.

    Returns:
        One result per day, patient by patient in order of ``studies``.

    Raises:
        FlameError: a worker of the Dask cluster was killed.
    """
    (out / "participants.tsv").unlink(missing_ok=True)  # its absence marks an unfinished cohort
    remove_stale(out, studies)
    patients: dict[str, list[Study]] = {}
    for study in studies:
        patients.setdefault(study.subject, []).append(study)
    work = [(out.resolve(), days, stages.resolved(), key) for days in patients.values()]
    results: list[StudyResult] = []
    for days in in_parallel(preprocess_patient, work, jobs, scheduler, killed_patient):
        results += days
        progress(len(results), len(studies))
    return results


def _treatments(report: ImportReport, table: Path | None) -> tuple[dict[str, Treatment], list[str]]:
    """Return treatments by PatientID, and warnings; the table has priority over plans.

    A broken plan leaves only its own patient without a treatment.
    """
    planned: dict[str, Treatment] = {}
    warnings: list[str] = []
    for patient_id in report.radiotherapy:
        try:
            course = report.course(patient_id)
        except BadInput as error:
            warnings.append(f"no treatment read: {error}")
            continue
        if course.treatment:
            planned[patient_id] = course.treatment
    tabulated = read_treatments(table) if table else {}
    patients = {e.patient_id for e in report.studies()}
    if table and not tabulated.keys() & patients:
        raise BadInput(f"{table}: no patient_id in it matches a DICOM PatientID (0010,0020)")
    return planned | tabulated, warnings


def _clinical_warnings(
    report: ImportReport, clinical: ClinicalTable, path: str | None
) -> list[str]:
    if path is None:
        return []
    patients = {e.patient_id for e in report.studies()}
    missing = len(patients - clinical.rows.keys())
    warnings = []
    if missing == len(patients):
        raise BadInput(f"{path}: no patient_id in it matches a DICOM PatientID (0010,0020)")
    if missing:
        warnings.append(f"{path}: {missing} of {len(patients)} patients have no row in it")
    if clinical.dropped:
        columns = ", ".join(clinical.dropped)
        warnings.append(f"{path}: columns of text, dates or identifiers were left out: {columns}")
    return warnings
