"""The imaging days of a DICOM folder that can be preprocessed, from its import report."""

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.io.dicom.dates import study_uid
from flame.io.dicom.intake import Examination, ImportReport
from flame.io.dicom.radiotherapy import frames_of, plan_date, treated_plans
from flame.io.dicom.series_report import SeriesReport
from flame.io.pseudonym import pseudonym
from flame.preprocessing.cohort.clinical import ClinicalTable
from flame.preprocessing.quality.reviews import ACCEPT, EXCLUDE, Decision, Key, decision
from flame.preprocessing.radiotherapy_plan import RadiotherapyPlan
from flame.preprocessing.study import Study

DRAWN_ON = (Sequence.T1C, Sequence.T1, Sequence.FLAIR, Sequence.T2)
"""Sequences on which contours are drawn, most likely first. Scans with one frame of reference may
still differ by a movement of the patient.
"""

_DRAWN = ("RTDOSE", "RTSTRUCT", "SEG")
"""DICOM modalities of the objects that are drawn on a scan."""

Taken = dict[Sequence, SeriesReport]


@dataclass(frozen=True)
class Context:
    """Inputs of a hospital besides its DICOM folder.

    Args:
        key: secret key of the pseudonyms.
        clinical: clinical table.
        decisions: reviews of days by people, by subject and session.
        masks: folder of brain masks, or None.
        tumours: folder of tumour masks, or None.
    """

    key: bytes
    clinical: ClinicalTable = field(default_factory=ClinicalTable)
    decisions: dict[Key, Decision] = field(default_factory=dict)
    masks: Path | None = None
    tumours: Path | None = None


def find_studies(report: ImportReport, context: Context) -> list[Study]:
    """List the imaging days of every patient.

    A tumour mask lies in the world space of the day's T1C, or else of the next scan in DRAWN_ON.

    Args:
        report: import report of the DICOM folder.
        context: other inputs of the hospital.

    Returns:
        One study for each imaging day. The sessions of a patient are numbered from 01 in order of
        days.

    Raises:
        BadInput: a folder of masks is given, but none of its files matches a day.
    """
    studies = []
    sessions: dict[str, int] = {}
    for examination, series in report.studies().items():
        patient_id, day, number = examination
        subject = pseudonym(context.key, patient_id)
        sessions[subject] = sessions.get(subject, 0) + 1
        session = f"{sessions[subject]:02d}"
        start, note = _day_zero(report, patient_id, context.clinical)
        uids = sorted(str(s.series.header.SeriesInstanceUID) for s in series.values())
        series_notes = [r.note for r in series.values() if r.note]
        if number:
            series_notes.append(f"examination {number + 1} of its day")
        word = decision(context.decisions, subject, session, (day - start).days)
        studies.append(
            Study(
                subject,
                session,
                (day - start).days,
                {s: r.geometry for s, r in sorted(series.items()) if r.geometry},
                tuple(pseudonym(context.key, u) for u in uids),
                "; ".join([*([note] * bool(note)), *series_notes]),
                _mask(context.masks, examination),
                _with_tumour(
                    _planned(report, patient_id, series),
                    series,
                    _mask(context.tumours, examination),
                ),
                word == ACCEPT,
                word == EXCLUDE,
            )
        )
    for folder, used in (
        (context.masks, any(s.mask for s in studies)),
        (context.tumours, any(s.planned.tumour for s in studies)),
    ):
        if folder and not used:
            raise BadInput(f"{folder}: no mask matches a day; name masks PatientID_YYYYMMDD.nii.gz")
    return studies


def _with_tumour(planned: RadiotherapyPlan, series: Taken, mask: str) -> RadiotherapyPlan:
    """Add a supplied tumour mask to the plan; an empty path adds none."""
    if not mask:
        return planned
    return replace(planned, tumour=Path(mask), drawn_on=next(s for s in DRAWN_ON if s in series))


def _day_zero(report: ImportReport, patient_id: str, clinical: ClinicalTable) -> tuple[date, str]:
    """Return the first day of radiotherapy, and a note if it is uncertain.

    It comes from the clinical table, else from the earliest plan, else from the first imaging day.
    """
    if patient_id in clinical.starts:
        return clinical.starts[patient_id], ""
    plans = report.plans(patient_id)
    treated = treated_plans(plans)
    plan_dates = [
        report.dates.get(study_uid(p.header)) or plan_date(p.header)
        for p in plans
        if str(p.header.SOPInstanceUID) in treated
    ]
    dates = [day for day in plan_dates if day]
    if dates:
        return min(dates), "day 0 is the date of the first plan"
    first = min(e.day for e in report.studies() if e.patient_id == patient_id)
    return first, "day 0 is the first imaging: no date of radiotherapy"


def _mask(folder: Path | None, examination: Examination) -> str:
    """Return the path of an examination's mask, or an empty string if it has none."""
    if folder is None:
        return ""
    patient_id, day, number = examination
    suffix = f"-{number + 1}" if number else ""
    path = folder / f"{patient_id}_{day:%Y%m%d}{suffix}.nii.gz"
    return str(path.resolve()) if path.exists() else ""


def _planned(report: ImportReport, patient_id: str, series: Taken) -> RadiotherapyPlan:
    """Collect the radiotherapy objects drawn in the frame of reference of one of the day's scans.

    If several scans have such objects, those of the first scan in DRAWN_ON are used. The others are
    noted.
    """
    objects = report.radiotherapy.get(patient_id, [])
    drawn: dict[str, tuple[Sequence, dict[str, list[Path]]]] = {}
    for sequence in DRAWN_ON:
        header = series[sequence].series.header if sequence in series else {}
        frame = str(header.get("FrameOfReferenceUID", ""))
        paths: dict[str, list[Path]] = {}
        for item in objects:
            if frame and frame in frames_of(item):
                paths.setdefault(str(item.header.Modality), []).append(item.path)
        if paths.keys() & set(_DRAWN):
            drawn.setdefault(frame, (sequence, paths))
    if not drawn:
        return RadiotherapyPlan()
    (frame, (sequence, paths)), *unused = drawn.items()
    notes = tuple(
        f"{', '.join(sorted(kinds.keys() & set(_DRAWN)))} drawn on {unused_sequence} left out: "
        f"those on {sequence} are used"
        for _, (unused_sequence, kinds) in unused
    )
    dose, structures, segmentations = (tuple(paths.get(kind, ())) for kind in _DRAWN)
    plans = treated_plans(report.plans(patient_id))
    return RadiotherapyPlan(frame, sequence, dose, structures, segmentations, plans, notes)
