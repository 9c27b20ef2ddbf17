"""Fractions that records show, by hand."""

from datetime import date
from pathlib import Path

from pydicom.dataset import Dataset

from flame.io.dicom.instances import Instance
from flame.io.dicom.treatment_records import Given, given_fractions, is_record


def record(
    fraction: int | None,
    day: int,
    delivered: float = 100.0,
    specified: float = 100.0,
    beam: int = 1,
    kind: str = "TREATMENT",
    plan: str = "1.2.9",
    ion: bool = False,
) -> Instance:
    header = Dataset()
    header.SOPClassUID = f"1.2.840.10008.5.1.4.1.1.481.{9 if ion else 4}"
    header.SOPInstanceUID = f"1.2.3.{fraction or 0}.{day}.{beam}.{int(delivered)}"
    header.TreatmentDate = f"2020{1 + day // 28:02d}{1 + day % 28:02d}"
    referenced = Dataset()
    referenced.ReferencedSOPInstanceUID = plan
    header.ReferencedRTPlanSequence = [referenced]
    header.ReferencedFractionGroupNumber = 1
    item = Dataset()
    item.ReferencedBeamNumber = beam
    item.TreatmentDeliveryType = kind
    item.SpecifiedPrimaryMeterset, item.DeliveredPrimaryMeterset = specified, delivered
    if fraction is not None:
        item.CurrentFractionNumber = fraction
    name = "TreatmentSessionIonBeamSequence" if ion else "TreatmentSessionBeamSequence"
    setattr(header, name, [item])
    return Instance(Path(header.SOPInstanceUID), header)


def test_fractions_are_counted_once() -> None:
    """Two beams of each fraction, and a copy."""
    records = [record(n, n, beam=b) for n in range(1, 6) for b in (1, 2)]
    found = given_fractions([*records, records[0]])
    assert found == {("1.2.9", 1): Given(5, date(2020, 1, 2))}


def test_a_fraction_that_was_interrupted_and_continued_counts_once() -> None:
    halves = [record(1, 0, 30.0), record(1, 1, 70.0, kind="CONTINUATION")]
    assert given_fractions(halves)["1.2.9", 1].fractions == 1


def test_a_fraction_that_was_broken_off_does_not_count() -> None:
    found = given_fractions([record(1, 0), record(2, 1, 20.0)])
    assert found["1.2.9", 1] == Given(1, date(2020, 1, 1), 1)


def test_set_up_and_portal_beams_are_no_fraction() -> None:
    assert given_fractions([record(1, 0, kind="SETUP"), record(1, 0, kind="OPEN_PORTFILM")]) == {}


def test_without_fraction_numbers_days_count() -> None:
    records = [record(None, d, beam=b) for d in (0, 1, 2) for b in (1, 2)]
    assert given_fractions(records)["1.2.9", 1].fractions == 3


def test_ion_records_count_by_plan() -> None:
    records = [record(1, 0, plan="1.1", ion=True), record(1, 1, plan="1.2")]
    assert {k: g.fractions for k, g in given_fractions(records).items()} == {
        ("1.1", 1): 1,
        ("1.2", 1): 1,
    }
    assert all(map(is_record, records))


def test_two_fractions_a_day_are_two() -> None:
    records = []
    for day in range(5):
        for hour in (8, 15):
            found = record(None, day)
            found.header.SOPInstanceUID += f".{hour}"
            found.header.TreatmentTime = f"{hour:02d}0000"
            records.append(found)
    assert given_fractions(records)["1.2.9", 1].fractions == 10


def test_beams_that_were_not_delivered_count() -> None:
    """One of three equal beams is a third of a fraction, two are two thirds."""
    planned = {"1.2.9": {1: {"1": 100.0, "2": 100.0, "3": 100.0}}}
    third = given_fractions([record(1, 0)], planned)["1.2.9", 1]
    assert (third.fractions, third.broken_off) == (0, 1)
    two = [record(1, 0, beam=1), record(1, 0, beam=2)]
    assert given_fractions(two, planned)["1.2.9", 1].fractions == 1


def test_an_empty_delivery_type_is_a_treatment() -> None:
    assert given_fractions([record(1, 0, kind="")])["1.2.9", 1].fractions == 1
