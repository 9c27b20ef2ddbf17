"""``flame inspect``: the content of a DICOM folder, and what is refused and why."""

from dataclasses import dataclass
from pathlib import Path

from flame.core.errors import BadInput
from flame.core.progress import Progress, silent
from flame.io.dicom.intake import ImportReport, inspect_folder
from flame.io.dicom.radiotherapy import read_treatment


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


def run(
    dicom: Path,
    progress: Progress = silent,
    sequences: Path | None = None,
) -> tuple[ImportReport, list[InspectRow]]:
    """Inspect a DICOM folder.

    Patients are numbered in order of PatientID. Descriptions and dates are shown unchanged, so the
    table must not leave the hospital.

    Args:
        dicom: folder of DICOM files.
        progress: called with files read and the total.
        sequences: table in which a person names the sequence of series; None: no overrides.

    Returns:
        The import report and its rows.

    Raises:
        BadInput: the folder holds no DICOM file, or the table is not valid.
    """
    report = inspect_folder(dicom, progress, sequences)
    patients = sorted({s.patient_id for s in report.series} | set(report.radiotherapy))
    number = {patient: f"P{n}" for n, patient in enumerate(patients, 1)}
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
            )
        )
    rows += [_radiotherapy_row(report, p, number[p]) for p in sorted(report.radiotherapy)]
    return report, rows


def _radiotherapy_row(report: ImportReport, patient_id: str, name: str) -> InspectRow:
    kinds = sorted(str(i.header.Modality) for i in report.radiotherapy[patient_id])
    try:
        treatment = read_treatment(report.plans(patient_id))
    except BadInput as error:
        return InspectRow(name, "", ", ".join(kinds), "refused", "", str(error))
    phases = treatment.phases if treatment else ()
    course = " + ".join(f"{p.radiation} {p.dose:g} Gy / {p.fractions}" for p in phases)
    return InspectRow(name, "", ", ".join(kinds), "radiotherapy", "", course or "no plan")
