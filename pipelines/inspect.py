"""``flame inspect``: the content of a DICOM folder, and what is refused and why."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.progress import Progress, silent
from flame.io.dicom.dates import first_date, study_uid
from flame.io.dicom.instances import Instance
from flame.io.dicom.intake import ImportReport, inspect_folder
from flame.io.dicom.plan_versions import is_plan
from flame.io.dicom.planning_ct import PlanningCt
from flame.io.dicom.radiotherapy import Radiotherapy
from flame.io.dicom.region_names import read_roi_names, region_of
from flame.io.dicom.spatial_registrations import is_registration, read_links
from flame.io.dicom.treatment_records import is_record
from flame.preprocessing.radiotherapy.destinations import destinations
from flame.preprocessing.studies import course_numbers, readable_course

_LABELS = ("RTPlanLabel", "StructureSetLabel", "DoseSummationType", "SeriesDescription")
"""Attributes that name a radiotherapy object, the first present one is shown."""
_DATES = ("RTPlanDate", "StructureSetDate", "InstanceCreationDate", "StudyDate")
"""Attributes of the date of a radiotherapy object, in order of preference."""


@dataclass(frozen=True)
class InspectRow:
    """One series, or the radiotherapy objects of a patient.

    The printed table shows the first six fields, ``--json`` all.

    Args:
        patient: number of the patient, such as ``P1``.
        day: date of the series; empty: unknown.
        series: description of the series, or the modalities of the radiotherapy objects.
        verdict: sequence, ``radiotherapy`` or ``refused``.
        geometry: number of voxels, and voxel size in mm.
        reason: evidence of the verdict, or the reason of a refusal.
        rule: name of the rule behind the verdict.
        score: score of the verdict from 0 to 1; NaN without one.
        series_uid: UID of the series, by which a table of overrides names it.
        slices: number of slices.
        folder: folder of the files.
        study_uid: UID of the study, by which a table of dates names it.
    """

    patient: str
    day: str
    series: str
    verdict: str
    geometry: str
    reason: str
    rule: str = ""
    score: float = float("nan")
    series_uid: str = ""
    slices: int = 0
    folder: str = ""
    study_uid: str = ""


def run(
    dicom: Path,
    progress: Progress = silent,
    sequences: Path | None = None,
    dates: Path | None = None,
    with_ids: bool = False,
    roi_names: Path | None = None,
) -> tuple[ImportReport, list[InspectRow]]:
    """Inspect a DICOM folder.

    Patients are numbered in order of PatientID, unless their ids are asked for. Descriptions and
    dates are shown unchanged, so the table must not leave the hospital.

    Args:
        dicom: folder of DICOM files.
        progress: called with files read and the total.
        sequences: table in which a person names the sequence of series; None: no overrides.
        dates: table in which a person names the days of studies; None: those of the headers.
        with_ids: whether patients are named by their PatientID.
        roi_names: table of the centre's names of structures; None: TG-263 and common usage.

    Returns:
        The import report and its rows.

    Raises:
        BadInput: the folder holds no DICOM file, or the table is not valid.
    """
    names = read_roi_names(roi_names)
    report = inspect_folder(dicom, progress, sequences, dates)
    patients = {s.patient_id for s in report.series} | set(report.radiotherapy)
    patients |= {patient for patient, _ in report.others} | set(report.cts)
    number = {p: p if with_ids else f"P{n}" for n, p in enumerate(sorted(patients), 1)}
    rows = []
    for s in sorted(report.series, key=lambda s: (s.patient_id, str(s.day), str(s.series.folder))):
        geometry = ""
        if s.geometry:
            size = "×".join(map(str, s.geometry.shape))
            geometry = f"{size}, {' × '.join(f'{v:.2g}' for v in s.geometry.spacing)} mm"
        taken = s.taken and s.verdict.sequence
        rows.append(
            InspectRow(
                number[s.patient_id],
                str(s.day or ""),
                s.series.description,
                str(s.verdict.sequence) if taken else "refused",
                geometry,
                "; ".join(filter(None, (s.verdict.evidence if taken else s.refused, s.note))),
                s.verdict.rule,
                s.verdict.score,
                s.series.uid,
                len(s.series.instances),
                str(s.series.folder),
                study_uid(s.series.header),
            )
        )
    for patient in sorted(report.radiotherapy):
        rows.append(_course_row(report, patient, number[patient]))
        rows += object_rows(report, patient, number[patient], names)
    for patient, cts in sorted(report.cts.items()):
        rows += _ct_rows(cts, number[patient])
    for (patient, modality), count in sorted(report.others.items()):
        reason = f"{count} files; FLAME reads MR and CT series, RT objects, SEG and REG"
        rows.append(InspectRow(number[patient], "", modality, "not used", "", reason))
    return report, rows


def object_rows(
    report: ImportReport, patient_id: str, name: str, roi_names: Mapping[str, str] | None = None
) -> list[InspectRow]:
    """List the radiotherapy objects of a patient.

    Args:
        report: import report of the folder.
        patient_id: PatientID (0010,0020).
        name: name of the patient in the rows.
        roi_names: region by name of a structure, from the centre's own table.

    Returns:
        One row per object: date, label, regions, and the day to which it is carried and how.
    """
    rows = []
    course = readable_course(report, patient_id)
    lines = _lines(report, patient_id, course)
    for item in report.radiotherapy[patient_id]:
        header = item.header
        label = next((str(header[k].value) for k in _LABELS if header.get(k)), "")
        names = [str(r.get("ROIName", "")) for r in header.get("StructureSetROISequence") or []]
        names += [str(r.get("SegmentLabel", "")) for r in header.get("SegmentSequence") or []]
        day = first_date(header, *_DATES)
        rows.append(
            InspectRow(
                name,
                str(day or ""),
                f"{header.get('Modality', '')} {label}".strip(),
                "radiotherapy",
                ", ".join(_meaning(n, roi_names or {}) for n in names),
                lines.get(str(item.path), _use(item, course.plans)),
                folder=str(item.path.parent),
                study_uid=study_uid(header),
            )
        )
    return rows


def _lines(report: ImportReport, patient_id: str, course: Radiotherapy) -> Mapping[str, str]:
    """Return where each object of a patient goes, by its path."""
    days = {e: s for e, s in report.studies().items() if e.patient_id == patient_id}
    numbers = course_numbers(course)
    cts = report.cts.get(patient_id, [])
    objects = report.radiotherapy[patient_id]
    return destinations(objects, cts, days, numbers, report.dates).lines


def _meaning(name: str, roi_names: Mapping[str, str]) -> str:
    """Return a name with the region that it means, or a mark that it is not used."""
    region = region_of(name, roi_names)
    return f"{name} (not used)" if region is None else f"{name} = {region}"


def _use(item: Instance, given: Collection[str]) -> str:
    if is_plan(item) and str(item.header.get("SOPInstanceUID")) not in given:
        return "not used: another version, no treatment, or not given"
    if is_plan(item) or is_record(item):
        return "gives the course of radiotherapy"
    if is_registration(item):
        _, notes = read_links([item])
        return "; ".join(notes) or "links frames of reference"
    return "left out: FLAME does not read this kind of object"


def _ct_rows(cts: list[PlanningCt], name: str) -> list[InspectRow]:
    rows = []
    for ct in cts:
        shape = "×".join(map(str, ct.geometry.shape)) if ct.geometry else ""
        reason = ct.refused or "registered to an MRI if dose or contours lie on it"
        verdict = "refused" if ct.refused else "radiotherapy"
        row = InspectRow(name, str(ct.day or ""), "CT", verdict, shape, reason)
        rows.append(replace(row, series_uid=ct.series))
    return rows


def _course_row(report: ImportReport, patient_id: str, name: str) -> InspectRow:
    kinds = sorted(str(i.header.Modality) for i in report.radiotherapy[patient_id])
    try:
        course = report.course(patient_id)
    except BadInput as error:
        return InspectRow(name, "", ", ".join(kinds), "refused", "", str(error))
    phases = course.treatment.phases if course.treatment else ()
    given = " + ".join(
        f"{p.radiation} {p.dose:g} Gy / {p.fractions}"
        + (f" of {p.planned} planned" if p.planned else "")
        for p in phases
    )
    reason = "; ".join([given or "no plan", *course.notes])
    return InspectRow(name, "", ", ".join(kinds), "radiotherapy", "", reason)
