"""Inspects a folder of DICOM files: finds the sequence of each series, or a reason to refuse it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import Dataset

from flame.core.errors import BadInput
from flame.core.imaging import STRUCTURAL, Sequence
from flame.io.dicom.choice import prefer_best
from flame.io.dicom.contrast_order import by_contrast_order
from flame.io.dicom.dates import days_of, read_dates, study_uid
from flame.io.dicom.duplicates import without_duplicates
from flame.io.dicom.end_slices import note_end_slices
from flame.io.dicom.examinations import by_examination
from flame.io.dicom.geometry import Geometry, check_geometry
from flame.io.dicom.headers import UnreadableFile, read_headers
from flame.io.dicom.instances import Instance
from flame.io.dicom.overrides import read_overrides
from flame.io.dicom.planning_ct import PlanningCt, is_ct, planning_cts
from flame.io.dicom.radiotherapy import Radiotherapy, plan_date, read_radiotherapy
from flame.io.dicom.sequences import ABSTAIN_BELOW, Verdict, classify
from flame.io.dicom.series import Series, group_series
from flame.io.dicom.series_report import SeriesReport

SIMULATED = "FLAME simulation"
"""Beginning of ImageComments (0020,4000) in every image of the simulator."""


class Examination(NamedTuple):
    """Key of one examination of a patient.

    Args:
        patient_id: PatientID (0010,0020).
        day: date of the acquisition.
        number: number among the examinations of the day, from 0.
    """

    patient_id: str
    day: date
    number: int


@dataclass(frozen=True, eq=False)
class ImportReport:
    """The content of a folder of DICOM files.

    Args:
        folder: the folder.
        series: all MR series, accepted or refused.
        radiotherapy: RT, SEG and REG instances by PatientID.
        unreadable: files that were skipped.
        others: number of files by PatientID and Modality (0008,0060) of other modalities.
        dates: day by StudyInstanceUID that a person named.
        cts: CT series by PatientID, accepted or refused.
    """

    folder: Path
    series: tuple[SeriesReport, ...]
    radiotherapy: dict[str, list[Instance]]
    unreadable: tuple[UnreadableFile, ...]
    others: Mapping[tuple[str, str], int] = field(default_factory=dict)
    dates: Mapping[str, date] = field(default_factory=dict)
    cts: Mapping[str, list[PlanningCt]] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether the images are simulated.

        Raises:
            BadInput: the folder holds both simulated and real images.
        """
        marked = {
            str(s.series.header.get("ImageComments", "")).startswith(SIMULATED) for s in self.series
        }
        if len(marked) > 1:
            raise BadInput(
                f"{self.folder} holds simulated and real images; keep them in separate folders"
            )
        return marked == {True}

    def studies(self) -> dict[Examination, dict[Sequence, SeriesReport]]:
        """Return the accepted series by examination, sorted, and by sequence."""
        series: dict[Examination, dict[Sequence, SeriesReport]] = defaultdict(dict)
        for report in self.series:
            if report.taken and report.day and report.verdict.sequence:
                examination = Examination(report.patient_id, report.day, report.examination)
                series[examination][report.verdict.sequence] = report
        return dict(sorted(series.items()))

    def course(self, patient_id: str) -> Radiotherapy:
        """Read the radiotherapy of a patient; a day that a person named dates the plans of a study.

        Args:
            patient_id: PatientID (0010,0020).

        Returns:
            The course that plans and treatment records describe.

        Raises:
            BadInput: a plan cannot be read.
        """

        return read_radiotherapy(self.radiotherapy.get(patient_id, []), self.date_of_plan)

    def date_of_plan(self, header: Dataset) -> date | None:
        """Return the date of a plan: that which a person named for its study, or its own."""
        return self.dates.get(study_uid(header)) or plan_date(header)


def inspect_folder(
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    overrides: Path | None = None,
    dates: Path | None = None,
) -> ImportReport:
    """Read all headers below a folder and classify every MR series.

    The steps are: remove copies of instances, name the sequence, check the geometry, correct T1 and
    T1C by the order of acquisition, separate examinations, and keep the best series of each
    sequence. Pixels are read only to compare copies.

    Args:
        folder: folder with DICOM files.
        progress: called with the number of files read and their total.
        overrides: table in which a person names the sequence of series, see ``read_overrides``.
        dates: table in which a person names the days of studies, see ``read_dates``.

    Returns:
        All MR series, accepted or refused with a reason, the CT series, the RT, SEG and REG
        instances, and the skipped files.

    Raises:
        BadInput: the folder holds no DICOM file, or a table is not valid or names an unknown series
            or study.
    """
    chosen = read_overrides(overrides)
    named = read_dates(dates)
    instances, unreadable = read_headers(folder, progress)
    damaged = {u.path.parent for u in unreadable if u.damaged}
    series = group_series(instances)
    _check_known(overrides, chosen, {s.uid for s in series}, folder, "series_uid")
    _check_known(dates, named, {study_uid(i.header) for i in instances}, folder, "study_uid")
    days = days_of(series, named)
    inspected = [_refuse_if_damaged(damaged, _inspect(s, chosen, days[id(s)])) for s in series]
    reports = note_end_slices(prefer_best(by_examination(by_contrast_order(inspected))))
    reports = _with_structural(reports)
    radiotherapy: dict[str, list[Instance]] = defaultdict(list)
    slices: dict[str, list[Instance]] = defaultdict(list)
    others: Counter[tuple[str, str]] = Counter()
    for instance in instances:
        modality = str(instance.header.get("Modality", ""))
        if modality.startswith(("RT", "SEG", "REG")):
            radiotherapy[_patient_id(instance.header)].append(instance)
        elif is_ct(instance):
            slices[_patient_id(instance.header)].append(instance)
        elif modality != "MR":
            others[_patient_id(instance.header), modality] += 1
    cts = {patient: planning_cts(each, named) for patient, each in slices.items()}
    return ImportReport(
        folder, tuple(reports), dict(radiotherapy), tuple(unreadable), dict(others), named, cts
    )


def _check_known(
    path: Path | None, named: Mapping[str, object], known: set[str], folder: Path, field_name: str
) -> None:
    unknown = sorted(named.keys() - known)
    if unknown:
        raise BadInput(
            f"{path}: {unknown[0]} is not in {folder}; use a {field_name} of flame inspect --json"
        )


def _patient_id(header: Dataset) -> str:
    """Return PatientID (0010,0020), or the study if it is empty, to keep patients apart."""
    return str(header.get("PatientID") or "").strip() or f"study {header.get('StudyInstanceUID')}"


def _inspect(
    series: Series, chosen: Mapping[str, Sequence | None], day: date | None
) -> SeriesReport:
    patient_id = _patient_id(series.header)
    series, note = without_duplicates(series)
    if series.uid in chosen:
        verdict = Verdict(chosen[series.uid], "override", "named in the table of --sequences", 1.0)
    else:
        verdict = classify(series)
    checked = check_geometry(series)
    geometry = checked if isinstance(checked, Geometry) else None
    refused = ""
    if day is None:
        refused = (
            "no valid date in AcquisitionDate (0008,0022), SeriesDate (0008,0021) or StudyDate "
            "(0008,0020): the series cannot be placed before or after radiotherapy; export it with "
            "its date, or name the day of its study with --dates"
        )
    elif series.defect:
        refused = series.defect
    elif verdict.rule == "rejected":
        refused = (
            f"{verdict.evidence}; to use the series, name it{_as_map(verdict)} with --sequences"
        )
    elif verdict.rule == "override" and verdict.sequence is None:
        refused = "left out by 'none' in the table of --sequences"
    elif isinstance(checked, str):
        refused = checked
    elif verdict.sequence is None or verdict.score < ABSTAIN_BELOW:
        refused = f"sequence unclear: {verdict.rule} ({verdict.evidence}); name it with --sequences"
    return SeriesReport(patient_id, day, series, verdict, geometry, refused, note)


def _with_structural(reports: list[SeriesReport]) -> list[SeriesReport]:
    """Refuse maps of an examination that has no structural series, to which they would be moved."""
    shown = {
        (r.patient_id, r.day, r.examination)
        for r in reports
        if r.taken and r.verdict.sequence in STRUCTURAL
    }
    reason = "a map without a structural series (T1, T1C, T2 or FLAIR) of its examination"
    return [
        replace(r, refused=reason)
        if r.taken and (r.patient_id, r.day, r.examination) not in shown
        else r
        for r in reports
    ]


def _as_map(verdict: Verdict) -> str:
    """Return the name by which a rejected map can be used; empty for other series."""
    named = verdict.evidence.upper().replace("EADC", "")  # an exponential ADC is no ADC
    return next((f" {m}" for m, w in (("ADC", "ADC"), ("RCBV", "CBV")) if w in named), "")


def _refuse_if_damaged(damaged: set[Path], report: SeriesReport) -> SeriesReport:
    """Refuse a series with a damaged file in its folder, because its end slices may be missing."""
    folders = {i.path.parent for i in report.series.instances}
    if not report.taken or not folders & damaged:
        return report
    refused = (
        "a damaged DICOM file is in the folder of this series, so slices may be missing; export "
        "the series again, whole and into an empty folder"
    )
    return replace(report, refused=refused)
