"""To which day and scan each object belongs, on made-up headers."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from flame.core.imaging import Sequence
from flame.io.dicom.geometry import Geometry
from flame.io.dicom.instances import Instance
from flame.io.dicom.intake import Examination
from flame.io.dicom.planning_ct import PlanningCt
from flame.io.dicom.sequences import Verdict
from flame.io.dicom.series import Series
from flame.io.dicom.series_report import SeriesReport
from flame.io.dicom.spatial_registrations import SPATIAL_REGISTRATION
from flame.preprocessing.radiotherapy.destinations import Destinations, destinations
from flame.preprocessing.radiotherapy.plan import Way

DAY = date(2020, 3, 2)
FIRST, LATER = (Examination("p", DAY + timedelta(n), 0) for n in (0, 70))
GEOMETRY = Geometry((), np.eye(4), (1, 1, 1))


def scan(frame: str, series: str, study: str, sequence: Sequence) -> SeriesReport:
    header = Dataset()
    header.FrameOfReferenceUID, header.SeriesInstanceUID = frame, series
    header.StudyInstanceUID = study
    instance = Instance(Path("x"), header)
    return SeriesReport("p", DAY, Series((instance,)), Verdict(sequence, "", "", 1.0), GEOMETRY, "")


def days(first: str = "1.1", later: str = "1.2") -> dict:
    return {
        FIRST: {
            Sequence.T1C: scan(first, "2.1", "3.1", Sequence.T1C),
            Sequence.FLAIR: scan(first, "2.2", "3.1", Sequence.FLAIR),
        },
        LATER: {Sequence.T1C: scan(later, "2.3", "3.2", Sequence.T1C)},
    }


def item(modality: str, frame: str, name: str, day: int = 0, **tags: object) -> Instance:
    header = Dataset()
    header.Modality, header.SOPInstanceUID, header.FrameOfReferenceUID = modality, name, frame
    header.StructureSetDate = f"{DAY + timedelta(day):%Y%m%d}"
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    return Instance(Path(name), header)


def of_series(series: str) -> list[Dataset]:
    found = Dataset()
    found.SeriesInstanceUID = series
    return [found]


def registration(source: str, target: str, shift: float) -> Instance:
    step, chain, registered = Dataset(), Dataset(), Dataset()
    matrix = np.eye(4)
    matrix[2, 3] = shift
    step.FrameOfReferenceTransformationMatrix = matrix.ravel().tolist()
    step.FrameOfReferenceTransformationMatrixType = "RIGID"
    chain.MatrixSequence = [step]
    registered.FrameOfReferenceUID = source
    registered.MatrixRegistrationSequence = [chain]
    return item(
        "REG",
        target,
        f"8.{shift:.0f}",
        SOPClassUID=SPATIAL_REGISTRATION,
        RegistrationSequence=[registered],
    )


def ct(frame: str, day: int, refused: str = "") -> PlanningCt:
    return PlanningCt(frame, "2.9", DAY + timedelta(day), None if refused else GEOMETRY, refused)


def where(found: Destinations) -> dict[str, list[tuple[str, str, Way]]]:
    return {
        str(day.day): [(d.path.name, str(d.link.sequence), d.link.way) for d in drawn]
        for day, drawn in found.drawn.items()
        if drawn
    }


def test_each_day_gets_its_own_contours_where_frames_are_shared() -> None:
    """A clinic that exports all days in one frame: the tumour of day 70 is not that of day 0."""
    objects = [item("RTSTRUCT", "1.1", "9.1", day=2), item("RTSTRUCT", "1.1", "9.2", day=71)]
    found = where(destinations(objects, [], days("1.1", "1.1")))
    assert found == {
        "2020-03-02": [("9.1", "T1C", Way.SAME)],
        "2020-05-11": [("9.2", "T1C", Way.SAME)],
    }


def test_the_referenced_series_decides_before_the_date() -> None:
    drawn_on = item("SEG", "1.1", "9.1", day=90, ReferencedSeriesSequence=of_series("2.2"))
    found = where(destinations([drawn_on], [], days("1.1", "1.1")))
    assert found == {"2020-03-02": [("9.1", "FLAIR", Way.SAME)]}


def test_the_study_decides_before_the_date() -> None:
    study, frame = Dataset(), Dataset()
    study.ReferencedSOPInstanceUID = "3.1"
    frame.RTReferencedStudySequence = [study]
    drawn_on = item("RTSTRUCT", "1.1", "9.1", day=90, ReferencedFrameOfReferenceSequence=[frame])
    assert list(where(destinations([drawn_on], [], days("1.1", "1.1")))) == ["2020-03-02"]


def test_contours_before_all_imaging_belong_to_the_first_day() -> None:
    found = where(destinations([item("RTSTRUCT", "1.1", "9.1", day=-9)], [], days("1.1", "1.1")))
    assert list(found) == ["2020-03-02"]


def test_a_registration_goes_before_a_ct() -> None:
    objects = [item("RTDOSE", "1.9", "9.1", day=3), registration("1.9", "1.1", 5.0)]
    found = destinations(objects, [ct("1.9", 1)], days())
    assert where(found) == {"2020-03-02": [("9.1", "T1C", Way.REGISTRATION)]}
    assert found.drawn[FIRST][0].link.matrix[2, 3] == 5.0


def test_a_chain_of_registrations_leads_to_a_scan() -> None:
    objects = [
        item("RTDOSE", "1.9", "9.1", day=3),
        registration("1.9", "1.8", 5.0),
        registration("1.2", "1.8", 2.0),
    ]
    found = destinations(objects, [], days())
    assert where(found) == {"2020-05-11": [("9.1", "T1C", Way.REGISTRATION)]}
    assert found.drawn[LATER][0].link.matrix[2, 3] == pytest.approx(3.0)


def test_a_ct_leads_to_the_nearest_day() -> None:
    objects = [item("RTDOSE", "1.9", "9.1", day=3), item("RTSTRUCT", "1.9", "9.2", day=3)]
    near_first = where(destinations(objects, [ct("1.9", 10)], days()))
    assert near_first == {"2020-03-02": [("9.1", "T1C", Way.FOUND), ("9.2", "T1C", Way.FOUND)]}
    assert list(where(destinations(objects, [ct("1.9", 60)], days()))) == ["2020-05-11"]


def test_contours_on_a_ct_far_from_any_mri_belong_to_none() -> None:
    """A new plan on day 40, with MRI on days 0 and 70: its dose may be carried, its tumour not."""
    objects = [item("RTDOSE", "1.9", "9.1", day=40), item("RTSTRUCT", "1.9", "9.2", day=40)]
    found = destinations(objects, [ct("1.9", 40)], days())
    assert where(found) == {"2020-05-11": [("9.1", "T1C", Way.FOUND)]}
    assert "its CT was made more than 30 days after every MRI" in found.lines["9.2"]


def test_of_two_mris_that_a_registration_leads_to_the_date_decides() -> None:
    """A planning CT fused with the scans of days 0 and 70; contours of day 72."""
    links = [registration("1.9", "1.1", 1.0), registration("1.9", "1.2", 2.0)]
    for order in (links, links[::-1]):
        found = destinations([item("RTSTRUCT", "1.9", "9.1", day=72), *order], [], days())
        assert list(where(found)) == ["2020-05-11"]
        assert found.drawn[LATER][0].link.matrix[2, 3] == 2.0


def test_the_dose_of_a_plan_that_was_not_given_decides_nothing() -> None:
    doses = []
    for name, frame in (("7.1", "1.1"), ("7.2", "1.2")):
        referenced = Dataset()
        referenced.ReferencedSOPInstanceUID = name
        doses.append(item("RTDOSE", frame, f"9{name[1:]}", ReferencedRTPlanSequence=[referenced]))
    found = destinations(doses, [], days(), {"7.2": 0})
    assert where(found) == {"2020-05-11": [("9.2", "T1C", Way.SAME)]}
    assert found.lines["9.1"].startswith("left out: the dose of a plan that was not given")
    assert not where(destinations(doses, [], days(), {}))  # of no plan it is known


def test_a_registration_to_a_later_mri_does_not_take_the_planning_away() -> None:
    """The scan of day 70 was fused with the planning CT, the scan of day 0 was not."""
    objects = [
        item("RTDOSE", "1.9", "9.1", day=3),
        item("RTSTRUCT", "1.9", "9.2", day=3),
        registration("1.2", "1.9", 5.0),
    ]
    found = where(destinations(objects, [ct("1.9", 1)], days()))
    assert found == {"2020-03-02": [("9.1", "T1C", Way.FOUND), ("9.2", "T1C", Way.FOUND)]}
    assert list(where(destinations(objects, [], days()))) == ["2020-05-11"]  # nothing better


def test_the_frame_of_the_regions_decides_not_that_of_the_object() -> None:
    region = Dataset()
    region.ReferencedFrameOfReferenceUID = "1.9"
    drawn = item("RTSTRUCT", "1.2", "9.1", day=3, StructureSetROISequence=[region])
    found = destinations([drawn, registration("1.9", "1.1", 5.0)], [], days())
    assert where(found) == {"2020-03-02": [("9.1", "T1C", Way.REGISTRATION)]}


def test_a_rejected_structure_set_is_left_out() -> None:
    drawn = item("RTSTRUCT", "1.1", "9.1", ApprovalStatus="REJECTED")
    assert destinations([drawn], [], days()).lines["9.1"] == "left out: it was rejected"


def test_a_day_that_a_person_named_counts() -> None:
    drawn = item("RTSTRUCT", "1.1", "9.1", day=2, StudyInstanceUID="3.7")
    named = {"3.7": DAY + timedelta(71)}
    found = where(destinations([drawn], [], days("1.1", "1.1"), None, named))
    assert list(found) == ["2020-05-11"]


def test_all_doses_of_a_course_belong_to_one_day() -> None:
    """The boost is planned after the second imaging day, in the same frame."""
    plan = [
        item(
            "RTPLAN",
            "1.1",
            f"7.{n}",
            RTPlanDate=f"{DAY + timedelta(d):%Y%m%d}",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.481.5",
        )
        for n, d in ((1, 5), (2, 75))
    ]
    doses = []
    for n in (1, 2):
        referenced = Dataset()
        referenced.ReferencedSOPInstanceUID = f"7.{n}"
        doses.append(item("RTDOSE", "1.1", f"9.{n}", ReferencedRTPlanSequence=[referenced]))
    found = where(destinations([*plan, *doses], [], days("1.1", "1.1")))
    assert {day: [n for n, *_ in drawn] for day, drawn in found.items()} == {
        "2020-03-02": ["9.1", "9.2"]
    }
    apart = destinations([*plan, *doses], [], days("1.1", "1.1"), {"7.1": 0, "7.2": 1})
    assert list(where(apart)) == ["2020-03-02", "2020-05-11"]


def test_the_approved_and_later_structure_set_comes_first() -> None:
    objects = [
        item("RTSTRUCT", "1.1", "9.1", day=1),
        item("RTSTRUCT", "1.1", "9.2", day=3),
        item("RTSTRUCT", "1.1", "9.3", day=2, ApprovalStatus="APPROVED"),
    ]
    (drawn,) = where(destinations(objects, [], days())).values()
    assert [name for name, *_ in drawn] == ["9.3", "9.2", "9.1"]


@pytest.mark.parametrize(
    ("frame", "cts", "reason"),
    [
        ("1.9", [], "that of no scan, of no registration and of no CT"),
        ("1.9", [ct("1.9", 0, "slices are missing")], r"its CT is refused \(slices are missing\)"),
        ("", [], "no FrameOfReferenceUID"),
    ],
)
def test_what_leads_nowhere_is_noted_on_every_day(frame: str, cts: list, reason: str) -> None:
    found = destinations([item("RTDOSE", frame, "9.1")], cts, days())
    assert not where(found)
    for day in days():
        assert any(reason.replace("\\", "") in note for note in found.notes[day])
    assert found.lines["9.1"].startswith("left out: ")
