"""Decides to which imaging day, and to which of its scans, each radiotherapy object belongs.

A day gets its own contours only. The dose belongs to the day on which radiotherapy was planned.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from flame.core.imaging import Sequence
from flame.io.dicom.dates import first_date, study_uid
from flame.io.dicom.dose_grid import no_dose
from flame.io.dicom.instances import Instance
from flame.io.dicom.intake import Examination
from flame.io.dicom.plan_versions import is_plan
from flame.io.dicom.planning_ct import PlanningCt
from flame.io.dicom.radiotherapy import frames_of, plan_date
from flame.io.dicom.series_report import SeriesReport
from flame.io.dicom.spatial_registrations import FrameLink, reachable, read_links
from flame.io.dicom.treatment_records import plan_of
from flame.preprocessing.radiotherapy.plan import Drawn, Link, Way

DRAWN_ON = (Sequence.T1C, Sequence.T1, Sequence.FLAIR, Sequence.T2)
"""Sequences on which contours are drawn, most likely first. Scans with one frame of reference may
still differ by a movement of the patient.
"""
DRAWN = ("RTDOSE", "RTSTRUCT", "SEG")
"""DICOM modalities of the objects that are drawn on a scan."""
_CT_AFTER = 30
"""Days after an MRI until which contours on a CT are taken for those of that MRI."""
_CT_BEFORE = 14
"""Days before an MRI from which they are."""
_REGISTERED = (Sequence.T1C, Sequence.T1)
"""Sequences to which a CT is registered."""

Days = Mapping[Examination, Mapping[Sequence, SeriesReport]]


@dataclass(frozen=True, eq=False)
class Destinations:
    """Where the radiotherapy objects of a patient belong.

    Args:
        drawn: objects by day.
        notes: what was left out, by day; objects that reach no day are noted on all.
        lines: day and way, or the reason why it is left out, by path of each object.
    """

    drawn: Mapping[Examination, tuple[Drawn, ...]]
    notes: Mapping[Examination, tuple[str, ...]]
    lines: Mapping[str, str]


def destinations(
    objects: list[Instance],
    cts: list[PlanningCt],
    days: Days,
    courses: Mapping[str, int] | None = None,
    named: Mapping[str, date] | None = None,
) -> Destinations:
    """Find the day and the scan to which each radiotherapy object of a patient belongs.

    The way is, in this order: the same frame of reference as a scan, Spatial Registration objects,
    or a CT in the frame of the object, which is registered to the scan later. All doses of a course
    belong to the day of its first one.

    Args:
        objects: RT, SEG and REG instances of the patient.
        cts: CT series of the patient.
        days: scans of each imaging day.
        courses: number of the course by SOPInstanceUID of each plan that was given; None: there
            are no plans, and all doses belong to one course.
        named: day by StudyInstanceUID that a person named; None: those of the headers.

    Returns:
        The objects by day.
    """
    finder = _Finder(objects, cts, days, named or {})
    planning: dict[int, Examination] = {}
    drawn: dict[Examination, list[Drawn]] = {day: [] for day in days}
    notes: dict[Examination, list[str]] = {day: list(finder.notes) for day in days}
    lines: dict[str, str] = {}
    unique = {str(i.header.get("SOPInstanceUID")): i for i in objects}
    for item in sorted(unique.values(), key=lambda i: _counts_first(i, finder.date(i))):
        modality = str(item.header.get("Modality", ""))
        if modality not in DRAWN:
            continue
        course = (courses or {}).get(plan_of(item.header), 0) if modality == "RTDOSE" else -1
        at_day = finder.on(planning[course]) if course in planning else finder
        unused = _unused(item, courses)
        found = unused or at_day.find(item)
        if isinstance(found, str):
            lines[str(item.path)] = f"left out: {found}"
            for day in days:
                notes[day].append(f"{modality} left out: {found}")
            continue
        day, frame, link = found
        if modality == "RTDOSE":
            planning.setdefault(course, day)
        lines[str(item.path)] = f"{day.day} on {link.sequence}: {link.way}"
        drawn[day].append(Drawn(item.path, modality, frame, link, max(course, 0)))
    return Destinations(
        {day: tuple(each) for day, each in drawn.items()},
        {day: tuple(dict.fromkeys(each)) for day, each in notes.items()},
        lines,
    )


def _counts_first(item: Instance, made: date | None) -> tuple[object, ...]:
    """Order doses by the date of their plan; of others approved ones and then later ones first."""
    header = item.header
    time = str(header.get("StructureSetTime") or header.get("SeriesTime") or "")
    seconds = int(time[:6]) if time[:6].isdigit() else 0
    days = made.toordinal() if made else 0
    if header.get("Modality") == "RTDOSE":
        return False, days, seconds, str(item.path)
    return header.get("ApprovalStatus") != "APPROVED", -days, -seconds, str(item.path)


def _unused(item: Instance, courses: Mapping[str, int] | None) -> str:
    """Return why an object must not be used; empty if it may be."""
    header = item.header
    if header.get("ApprovalStatus") == "REJECTED":
        return "it was rejected"
    if header.get("Modality") != "RTDOSE":
        return ""
    if reason := no_dose(header):
        return reason
    if courses is None:
        return ""
    several = header.get("DoseSummationType") == "MULTI_PLAN"
    plan = plan_of(header)
    given = bool(courses) if several or not plan else plan in courses
    return "" if given else "the dose of a plan that was not given, or of which that is not known"


def _made(header: Dataset) -> date | None:
    return first_date(
        header, "StructureSetDate", "ContentDate", "SeriesDate", "InstanceCreationDate", "StudyDate"
    )


class _Finder:
    """Search of the day, frame and link of an object."""

    def __init__(
        self,
        objects: list[Instance],
        cts: list[PlanningCt],
        days: Days,
        named: Mapping[str, date],
    ) -> None:
        self.days = days
        self.cts = cts
        links, self.notes = read_links(objects)
        self.links: list[FrameLink] = links
        self.named = named
        self.plan_dates = {
            str(i.header.get("SOPInstanceUID")): named.get(study_uid(i.header))
            or plan_date(i.header)
            for i in objects
            if is_plan(i)
        }

    def on(self, day: Examination) -> "_Finder":
        """Return a search among the scans of one day."""
        narrowed = copy(self)
        narrowed.days = {day: self.days[day]}
        return narrowed

    def find(self, item: Instance) -> tuple[Examination, str, Link] | str:
        """Return day, frame of reference and link of an object, or why it is left out."""
        frames = frames_of(item)
        if not frames:
            return "it has no FrameOfReferenceUID (0020,0052)"
        searches: tuple[Callable[[Instance, str], tuple[Examination, Link] | None], ...] = (
            self._same,
            self._registered_in_time,
            self._by_ct,
            self._registered,
        )
        for frame in frames:
            for search in searches:
                found = search(item, frame)
                if found:
                    return found[0], frame, found[1]
        refused = [c.refused for c in self.cts if c.frame in frames and c.refused]
        if refused:
            return f"its CT is refused ({refused[0]})"
        if any(c.frame in frames for c in self.cts):
            return (
                f"its CT was made more than {_CT_AFTER} days after every MRI, or {_CT_BEFORE} "
                "before; add a Spatial Registration object"
            )
        return "its frame of reference is that of no scan, of no registration and of no CT"

    def _same(self, item: Instance, frame: str) -> tuple[Examination, Link] | None:
        found = self._drawn_on(item, {frame})
        return (found[0], Link(found[1])) if found else None

    def _registered(self, item: Instance, frame: str) -> tuple[Examination, Link] | None:
        reached = reachable(self.links, frame)
        found = self._drawn_on(item, reached.keys())
        if found is None:
            return None
        day, sequence = found
        matrix = reached[_frame(self.days[day][sequence])]
        return day, Link(sequence, Way.REGISTRATION, matrix)

    def _registered_in_time(self, item: Instance, frame: str) -> tuple[Examination, Link] | None:
        """Return what registrations lead to, unless the scan is later than the object."""
        found = self._registered(item, frame)
        made = self.date(item)
        if found and made and (found[0].day - made).days > _CT_BEFORE:
            return None
        return found

    def _by_ct(self, item: Instance, frame: str) -> tuple[Examination, Link] | None:
        """Return the day nearest to the CT, the earlier one of two; for contours a near one."""
        usable = [c for c in self.cts if c.frame == frame and c.geometry]
        wanted = _references(item)
        ct = next((c for c in usable if c.series in wanted), next(iter(usable), None))
        days = [d for d in self.days if set(_REGISTERED) & set(self.days[d])]
        made = (ct.day if ct else None) or self.date(item)
        if made and item.header.get("Modality") != "RTDOSE":
            days = [d for d in days if -_CT_BEFORE <= (made - d.day).days <= _CT_AFTER]
        if ct is None or not days:
            return None
        day = min(days, key=lambda d: (abs((d.day - made).days) if made else 0, d))
        sequence = next(s for s in _REGISTERED if s in self.days[day])
        return day, Link(sequence, Way.FOUND, ct=ct.geometry)

    def _drawn_on(
        self, item: Instance, frames: Collection[str]
    ) -> tuple[Examination, Sequence] | None:
        """Return the day and the scan of an object among those in some frames of reference."""
        scans = {
            day: [s for s in DRAWN_ON if s in own and _frame(own[s]) in frames]
            for day, own in self.days.items()
        }
        days = [day for day, inside in scans.items() if inside]
        wanted = _references(item)
        for keyword in ("SeriesInstanceUID", "StudyInstanceUID"):
            named = [d for d in days if wanted & set(self._uids(d, keyword))]
            if named:
                days = named
                break
        if not days:
            return None
        made = self.date(item)
        before = [d for d in days if made and d.day <= made]
        day = max(before) if before else min(days)
        own = self.days[day]
        referenced = [s for s in scans[day] if _uid(own[s], "SeriesInstanceUID") in wanted]
        return day, (referenced or scans[day])[0]

    def date(self, item: Instance) -> date | None:
        """Return the date of an object; that of a dose is that of its plan."""
        plans = item.header.get("ReferencedRTPlanSequence") or []
        dates = [self.plan_dates.get(str(p.get("ReferencedSOPInstanceUID"))) for p in plans]
        named = self.named.get(study_uid(item.header))
        return next((d for d in dates if d), None) or named or _made(item.header)

    def _uids(self, day: Examination, keyword: str) -> Iterable[str]:
        return (_uid(report, keyword) for report in self.days[day].values())


def _frame(report: SeriesReport) -> str:
    return _uid(report, "FrameOfReferenceUID")


def _uid(report: SeriesReport, keyword: str) -> str:
    return str(report.series.header.get(keyword) or "")


def _references(item: Instance) -> set[str]:
    """Return the SeriesInstanceUIDs and StudyInstanceUIDs of images that an object refers to."""
    header = item.header
    found = set()
    for series in header.get("ReferencedSeriesSequence") or []:
        found.add(str(series.get("SeriesInstanceUID")))
    for frame in header.get("ReferencedFrameOfReferenceSequence") or []:
        for study in frame.get("RTReferencedStudySequence") or []:
            found.add(str(study.get("ReferencedSOPInstanceUID")))
            for series in study.get("RTReferencedSeriesSequence") or []:
                found.add(str(series.get("SeriesInstanceUID")))
    return found - {"None", ""}
