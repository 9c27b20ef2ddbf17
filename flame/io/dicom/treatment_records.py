"""Reads RT Beams and RT Ion Beams Treatment Records: which fractions of a plan were given."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset

from flame.io.dicom.dates import first_date
from flame.io.dicom.instances import Instance, items, number, whole_number

RECORDS = {"1.2.840.10008.5.1.4.1.1.481.4", "1.2.840.10008.5.1.4.1.1.481.9"}
"""SOPClassUIDs of RT Beams and RT Ion Beams Treatment Record Storage."""
_TREATED = {"TREATMENT", "CONTINUATION", "TRMT_PORTFILM"}
"""Values of TreatmentDeliveryType (300A,00CE) that deliver dose of the plan."""
_LEAST_SHARE = 0.5
"""Share of the monitor units of a fraction from which it counts as given."""


@dataclass(frozen=True)
class Given:
    """Fractions that were given of one fraction group of a plan.

    Args:
        fractions: number of fractions.
        first: day of the first one; None: unknown.
        broken_off: number of fractions of which less than half was delivered; they do not count.
    """

    fractions: int
    first: date | None
    broken_off: int = 0


def is_record(instance: Instance) -> bool:
    """Check whether an instance is a treatment record of external beams.

    Args:
        instance: the instance.

    Returns:
        True for RT Beams and RT Ion Beams Treatment Records.
    """
    return str(instance.header.get("SOPClassUID")) in RECORDS


def given_fractions(
    instances: Iterable[Instance],
    planned: Mapping[str, Mapping[int, Mapping[str, float]]] | None = None,
) -> dict[tuple[str, int], Given]:
    """Count the fractions that the treatment records of a patient show.

    Several records of one fraction, as after an interruption, count once. Without a number of the
    fraction, each time that a beam was given on a day is one.

    Args:
        instances: instances of one patient; those that are no treatment record are ignored.
        planned: monitor units by beam, by fraction group, by SOPInstanceUID of the plan; None: only
            the beams that have a record count.

    Returns:
        Fractions by SOPInstanceUID of the plan and fraction group number.
    """
    records = {i.key: i.header for i in instances if is_record(i)}
    fractions: dict[tuple[str, int], dict[object, list[Dataset]]] = defaultdict(
        lambda: defaultdict(list)
    )
    days: dict[tuple[str, int], list[date]] = defaultdict(list)
    times: Counter[tuple[object, ...]] = Counter()
    for header in sorted(records.values(), key=_moment):
        key = plan_of(header), whole_number(header, "ReferencedFractionGroupNumber") or 1
        day = first_date(header, "TreatmentDate", "ContentDate", "StudyDate")
        for beam in _beams(header):
            fraction: object = number(beam, "CurrentFractionNumber") or None
            if fraction is None:
                same = (key, day, str(beam.get("ReferencedBeamNumber", "")))
                fraction = day, times[same]
                times[same] += 1
            fractions[key][fraction].append(beam)
            days[key] += [day] if day else []
    return {
        key: _given(
            [
                _share(beams, (planned or {}).get(key[0], {}).get(key[1], {}))
                for beams in each.values()
            ],
            days[key],
        )
        for key, each in fractions.items()
    }


def _moment(header: Dataset) -> tuple[str, str]:
    return str(header.get("TreatmentDate") or ""), str(header.get("TreatmentTime") or "")


def _given(shares: list[float], days: list[date]) -> Given:
    whole = sum(share >= _LEAST_SHARE for share in shares)
    return Given(whole, min(days, default=None), len(shares) - whole)


def plan_of(header: Dataset) -> str:
    """Return the SOPInstanceUID of the plan that a record or dose refers to first, or ''."""
    plans = items(header, "ReferencedRTPlanSequence")
    return str(plans[0].get("ReferencedSOPInstanceUID", "")) if plans else ""


def _beams(header: Dataset) -> list[Dataset]:
    """Return the beams of a session that deliver dose of the plan."""
    ions = items(header, "TreatmentSessionIonBeamSequence")
    beams = ions or items(header, "TreatmentSessionBeamSequence")
    return [b for b in beams if str(b.get("TreatmentDeliveryType") or "TREATMENT") in _TREATED]


def _share(beams: list[Dataset], planned: Mapping[str, float]) -> float:
    """Return the share of a fraction's monitor units that was delivered; 1 if it is not told."""
    wanted = dict(planned)
    delivered = 0.0
    for n, beam in enumerate(beams):
        name = str(beam.get("ReferencedBeamNumber", n))
        specified = number(beam, "SpecifiedPrimaryMeterset")
        got = number(beam, "DeliveredPrimaryMeterset")
        if specified is None or got is None:
            return 1.0
        wanted[name] = max(wanted.get(name, 0.0), specified)
        delivered += got
    total = sum(wanted.values())
    return delivered / total if total > 0 else 1.0
