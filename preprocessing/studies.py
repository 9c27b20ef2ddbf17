"""The imaging days of a DICOM folder that can be preprocessed, from its import report."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.core.treatment import courses
from flame.io.dicom.intake import Examination, ImportReport
from flame.io.dicom.radiotherapy import Radiotherapy
from flame.io.dicom.scanner import scanner_of
from flame.io.dicom.series_report import SeriesReport
from flame.io.pseudonym import pseudonym
from flame.preprocessing.cohort.clinical import ClinicalTable
from flame.preprocessing.quality.reviews import ACCEPT, EXCLUDE, Decision, Key, decision
from flame.preprocessing.radiotherapy.destinations import DRAWN_ON, Destinations, destinations
from flame.preprocessing.radiotherapy.plan import RadiotherapyPlan
from flame.preprocessing.study import Study

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
        roi_names: region by name of a structure, from the centre's own table.
    """

    key: bytes
    clinical: ClinicalTable = field(default_factory=ClinicalTable)
    decisions: dict[Key, Decision] = field(default_factory=dict)
    masks: Path | None = None
    tumours: Path | None = None
    roi_names: Mapping[str, str] = field(default_factory=dict)


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
    patients = dict.fromkeys(e.patient_id for e in report.studies())
    radiotherapy = {patient_id: readable_course(report, patient_id) for patient_id in patients}
    planned = _planned(report, radiotherapy, context.roi_names)
    for examination, series in report.studies().items():
        patient_id, day, number = examination
        subject = pseudonym(context.key, patient_id)
        sessions[subject] = sessions.get(subject, 0) + 1
        session = f"{sessions[subject]:02d}"
        start, note = _day_zero(report, patient_id, context.clinical, radiotherapy[patient_id])
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
                    planned[examination],
                    series,
                    _mask(context.tumours, examination),
                ),
                word == ACCEPT,
                word == EXCLUDE,
                scanner_of(_first(series).series.header, context.key),
            )
        )
    for folder, used in (
        (context.masks, any(s.mask for s in studies)),
        (context.tumours, any(s.planned.tumour for s in studies)),
    ):
        if folder and not used:
            raise BadInput(f"{folder}: no mask matches a day; name masks PatientID_YYYYMMDD.nii.gz")
    return studies


def _first(series: Taken) -> SeriesReport:
    """Return the series that a day is known by: that on which tumours are drawn first."""
    return series[next(s for s in (*DRAWN_ON, *series) if s in series)]


def _with_tumour(planned: RadiotherapyPlan, series: Taken, mask: str) -> RadiotherapyPlan:
    """Add a supplied tumour mask to the plan; an empty path adds none."""
    if not mask:
        return planned
    return replace(planned, tumour=Path(mask), drawn_on=next(s for s in DRAWN_ON if s in series))


def readable_course(report: ImportReport, patient_id: str) -> Radiotherapy:
    """Read the radiotherapy of a patient, whose plans may be unreadable.

    Args:
        report: import report of the DICOM folder.
        patient_id: PatientID (0010,0020).

    Returns:
        The radiotherapy; known to exist but without a course if the plans cannot be read.
    """
    try:
        return report.course(patient_id)
    except BadInput:
        return Radiotherapy(known=True)


def _day_zero(
    report: ImportReport, patient_id: str, clinical: ClinicalTable, course: Radiotherapy
) -> tuple[date, str]:
    """Return the first day of radiotherapy, and a note if it is uncertain.

    It comes from the clinical table, else from treatment records or the earliest plan, else from
    the first imaging day.
    """
    if patient_id in clinical.starts:
        return clinical.starts[patient_id], ""
    if course.start:
        recorded = course.treatment and course.treatment.phases[0].planned is not None
        return course.start, "" if recorded else "day 0 is the date of the first plan"
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


def _planned(
    report: ImportReport, radiotherapy: Mapping[str, Radiotherapy], roi_names: Mapping[str, str]
) -> dict[Examination, RadiotherapyPlan]:
    """Collect the radiotherapy objects that belong to each imaging day."""
    found = {}
    days = report.studies()
    for patient_id, course in radiotherapy.items():
        objects = report.radiotherapy.get(patient_id, [])
        own = {e: series for e, series in days.items() if e.patient_id == patient_id}
        cts = report.cts.get(patient_id, [])
        numbers = course_numbers(course)
        belongs = destinations(objects, cts, own, numbers, report.dates)
        for day in own:
            found[day] = _of_day(belongs, day, course, roi_names)
    return found


def _of_day(
    belongs: Destinations,
    day: Examination,
    radiotherapy: Radiotherapy,
    roi_names: Mapping[str, str],
) -> RadiotherapyPlan:
    """Return the radiotherapy of a day; of two courses planned on one day, the first one."""
    drawn = belongs.drawn[day]
    notes = belongs.notes[day]
    numbers = course_numbers(radiotherapy) or {}
    planned = {d.course for d in drawn if d.modality == "RTDOSE"}
    if len(planned) > 1:
        notes += ("the dose of a re-irradiation left out: it was planned on the same images",)
    first = min(planned, default=0)
    kept = tuple(d for d in drawn if d.modality != "RTDOSE" or d.course == first)
    plans = {uid: g for uid, g in radiotherapy.plans.items() if numbers.get(uid, 0) == first}
    return RadiotherapyPlan(kept, plans, roi_names, notes)


def course_numbers(radiotherapy: Radiotherapy) -> dict[str, int] | None:
    """Number the courses of a patient, by SOPInstanceUID of the plan.

    Args:
        radiotherapy: radiotherapy of the patient.

    Returns:
        0 for the plans of the first course, 1 for those of a re-irradiation, and so on; None if the
        patient has no plans.
    """
    if not radiotherapy.known:
        return None
    if radiotherapy.treatment is None:
        return {}
    of_phase = [n for n, c in enumerate(courses(radiotherapy.treatment)) for _ in c.phases]
    return {uid: of_phase[first] for uid, first in radiotherapy.first_phases.items()}
