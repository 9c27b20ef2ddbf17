"""Reads what RT Plan and RT Ion Plan files prescribe."""

import math
from dataclasses import dataclass

from pydicom.dataset import Dataset

from flame.core.errors import BadInput
from flame.core.treatment import MOST_FRACTIONS, MOST_GY, Radiation
from flame.io.dicom.instances import Instance, items, number, whole_number

_CARBON = 6
"""RadiationAtomicNumber (300A,0304) of carbon."""
_REMEDY = "export the plan again, or give the course with --treatments"


@dataclass(frozen=True)
class PlannedGroup:
    """A fraction group of a plan.

    Args:
        number: FractionGroupNumber (300A,0071).
        radiation: particle type.
        dose: prescribed dose in Gy, RBE-weighted for ions.
        fractions: number of fractions planned.
    """

    number: int
    radiation: Radiation
    dose: float
    fractions: int


def planned_groups(plan: Instance) -> tuple[PlannedGroup, ...]:
    """Read the fraction groups of a plan.

    Args:
        plan: RT Plan or RT Ion Plan.

    Returns:
        At least one group.

    Raises:
        BadInput: the plan lacks fraction groups, fractions, doses or treatment beams, or has
            another radiation than photons, protons or carbon ions.
    """
    groups = items(plan.header, "FractionGroupSequence")
    if not groups:
        raise BadInput(
            f"{plan.path}: no fraction group (FractionGroupSequence, 300A,0070) in the plan; "
            f"{_REMEDY}"
        )
    return tuple(_group(plan, g, n, len(groups)) for n, g in enumerate(groups, 1))


def treatment_beams(header: Dataset) -> list[Dataset]:
    """Return the beams of a plan that treat, without set-up and portal beams.

    Args:
        header: header of the plan.

    Returns:
        Items of BeamSequence or IonBeamSequence.
    """
    beams = items(header, "IonBeamSequence") or items(header, "BeamSequence")
    return [b for b in beams if b.get("TreatmentDeliveryType", "TREATMENT") == "TREATMENT"]


def metersets(header: Dataset) -> dict[int, dict[str, float]]:
    """Read the monitor units of the treatment beams of a plan.

    Args:
        header: header of the plan.

    Returns:
        BeamMeterset (300A,0086) by beam number, by fraction group number; beams without one are
        left out.
    """
    treat = {str(b.get("BeamNumber", "")) for b in treatment_beams(header)}
    found: dict[int, dict[str, float]] = {}
    for place, group in enumerate(items(header, "FractionGroupSequence"), 1):
        beams = {
            str(b.get("ReferencedBeamNumber", "")): number(b, "BeamMeterset") or 0.0
            for b in items(group, "ReferencedBeamSequence")
        }
        key = whole_number(group, "FractionGroupNumber") or place
        found[key] = {n: units for n, units in beams.items() if units > 0 and n in treat}
    return found


def _group(plan: Instance, group: Dataset, place: int, groups: int) -> PlannedGroup:
    radiation = _radiation(plan)
    fractions = whole_number(group, "NumberOfFractionsPlanned") or 0
    if fractions < 1:
        raise BadInput(
            f"{plan.path}: no number of fractions (NumberOfFractionsPlanned, 300A,0078) in the "
            f"plan; {_REMEDY}"
        )
    dose = _prescription(plan.header) if groups == 1 else 0.0
    if dose <= 0:  # several groups share one prescription, so only beam doses distinguish them
        beams = items(group, "ReferencedBeamSequence")
        dose = fractions * sum(_told(b, "BeamDose") for b in beams)
    if not dose <= MOST_GY or fractions > MOST_FRACTIONS:
        raise BadInput(
            f"{plan.path}: {dose:g} Gy in {fractions} fractions is no prescription "
            f"(TargetPrescriptionDose, 300A,0026; is it in cGy?); {_REMEDY}"
        )
    if dose <= 0:
        raise BadInput(
            f"{plan.path}: the plan has neither a prescription (TargetPrescriptionDose, 300A,0026) "
            f"nor beam doses (BeamDose, 300A,0084); {_REMEDY}"
        )
    return PlannedGroup(
        whole_number(group, "FractionGroupNumber") or place, radiation, dose, fractions
    )


def _prescription(header: Dataset) -> float:
    """Return the largest TargetPrescriptionDose (300A,0026) in Gy; 0 if no target has one."""
    doses = [
        _told(reference, "TargetPrescriptionDose")
        for reference in items(header, "DoseReferenceSequence")
        if reference.get("DoseReferenceType", "TARGET") == "TARGET"
    ]
    return math.nan if any(map(math.isnan, doses)) else max(doses, default=0.0)


def _told(item: Dataset, keyword: str) -> float:
    """Return a dose in Gy: 0 if it is absent, and NaN if it is there but no number."""
    value = number(item, keyword)
    if value is None:
        return 0.0 if item.get(keyword) in (None, "") else math.nan
    return value


def _radiation(plan: Instance) -> Radiation:
    """Return the radiation of the first treatment beam."""
    beams = treatment_beams(plan.header)
    if not beams:
        raise BadInput(f"{plan.path}: the plan has no treatment beam; {_REMEDY}")
    kind = str(beams[0].get("RadiationType", ""))
    if kind == "ION" and whole_number(beams[0], "RadiationAtomicNumber") == _CARBON:
        return Radiation.CARBON
    if kind in ("PHOTON", "PROTON"):
        return Radiation(kind.lower())
    raise BadInput(
        f"{plan.path}: RadiationType (300A,00C6) '{kind}' is not photon, proton or carbon; give "
        "the course with --treatments"
    )
