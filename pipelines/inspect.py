"""``flame inspect``: the content of a DICOM folder, and what is refused and why."""

from dataclasses import dataclass
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.progress import Progress, silent
from flame.io.dicom.dates import first_date, study_uid
from flame.io.dicom.instances import Instance
from flame.io.dicom.intake import ImportReport, inspect_folder
from flame.io.dicom.radiotherapy import frames_of, is_plan, read_treatment

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

    Returns:
        The import report and its rows.

    Raises:
        BadInput: the folder holds no DICOM file, or the table is not valid.
    """
    report = inspect_folder(dicom, progress, sequences, dates)
    patients = {s.patient_id for s in report.series} | set(report.radiotherapy)
    patients |= {patient for patient, _ in report.others}
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
        rows += object_rows(report, patient, number[patient])
    for (patient, modality), count in sorted(report.others.items()):
        reason = f"{count} files; FLAME reads MR series, RT objects and SEG"
        rows.append(InspectRow(number[patient], "", modality, "not used", "", reason))
    return report, rows


def object_rows(report: ImportReport, patient_id: str, name: str) -> list[InspectRow]:
    """List the radiotherapy objects of a patient.

    Args:
        report: import report of the folder.
        patient_id: PatientID (0010,0020).
        name: name of the patient in the rows.

    Returns:
        One row per object: date, label, regions, and the days whose scans share its frame of
        reference, which it is carried to.
    """
    rows = []
    for item in report.radiotherapy[patient_id]:
        header = item.header
        label = next((str(header[k].value) for k in _LABELS if header.get(k)), "")
        regions = [str(r.get("ROIName", "")) for r in header.get("StructureSetROISequence") or []]
        regions += [str(r.get("SegmentLabel", "")) for r in header.get("SegmentSequence") or []]
        day = first_date(header, *_DATES)
        rows.append(
            InspectRow(
                name,
                str(day or ""),
                f"{header.get('Modality', '')} {label}".strip(),
                "radiotherapy",
                ", ".join(regions),
                _destination(report, patient_id, item),
                folder=str(item.path.parent),
                study_uid=study_uid(header),
            )
        )
    return rows


def _destination(report: ImportReport, patient_id: str, item: Instance) -> str:
    if is_plan(item):
        return "gives the course of radiotherapy"
    frames = frames_of(item)
    days = {
        str(s.day)
        for s in report.series
        if s.taken
        and s.patient_id == patient_id
        and s.series.header.get("FrameOfReferenceUID") in frames
    }
    frame = ", ".join(f"...{uid[-8:]}" for uid in sorted(frames)) or "none"
    if not days:
        return f"not used: no accepted scan has its frame of reference ({frame})"
    return f"goes to {', '.join(sorted(days))}, whose scans have its frame of reference ({frame})"


def _course_row(report: ImportReport, patient_id: str, name: str) -> InspectRow:
    kinds = sorted(str(i.header.Modality) for i in report.radiotherapy[patient_id])
    try:
        treatment = read_treatment(report.plans(patient_id))
    except BadInput as error:
        return InspectRow(name, "", ", ".join(kinds), "refused", "", str(error))
    phases = treatment.phases if treatment else ()
    course = " + ".join(f"{p.radiation} {p.dose:g} Gy / {p.fractions}" for p in phases)
    return InspectRow(name, "", ", ".join(kinds), "radiotherapy", "", course or "no plan")
