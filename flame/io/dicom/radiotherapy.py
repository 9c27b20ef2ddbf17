"""Reads RT Plan and RT Ion Plan files as a radiotherapy course."""

from datetime import date

from pydicom.dataset import Dataset

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.dicom.dates import first_date
from flame.io.dicom.headers import Instance

RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
"""SOP class RT Plan Storage."""
RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
"""SOP class RT Ion Plan Storage, of protons and carbon ions here."""
_CARBON = 6
"""Atomic number of carbon."""
_NOT_TREATMENT = {"VERIFICATION", "MACHINE_QA", "RESEARCH", "SERVICE"}
"""Values of PlanIntent (300A,000A) that mark plans which were not given to the patient."""


def is_plan(instance: Instance) -> bool:
    """Return whether a file is an RT Plan or an RT Ion Plan.

    Args:
        instance: the file.
    """
    return str(instance.header.get("SOPClassUID")) in (RT_PLAN, RT_ION_PLAN)


def plan_date(header: Dataset) -> date | None:
    """Return RTPlanDate (300A,0006), or StudyDate, or None.

    Args:
        header: header of the plan.
    """
    return first_date(header, "RTPlanDate", "StudyDate")


def read_treatment(plans: list[Instance]) -> Treatment | None:
    """Return the radiotherapy course that a patient's plans describe, in order of plan date.

    Each fraction group is a phase. Copies of a plan count once. Rejected, verification and
    quality-assurance plans are ignored. Ion prescriptions count as RBE-weighted, as is clinical
    practice, and photon prescriptions as physical dose. Start days count from the first plan date.

    Args:
        plans: RT Plan and RT Ion Plan files of one patient.

    Returns:
        The course; None where no plan counts as treatment.

    Raises:
        BadInput: a plan lacks fraction groups, fractions, doses or treatment beams, or has another
            radiation than photons, protons or carbon ions.
    """
    unique = {str(p.header.get("SOPInstanceUID")): p for p in plans if _was_treatment(p.header)}
    dated = sorted(unique.values(), key=lambda p: (plan_date(p.header) or date.min, str(p.path)))
    first = next((d for p in dated if (d := plan_date(p.header))), None)
    phases = []
    for plan in dated:
        day = plan_date(plan.header)
        start = (day - first).days if day and first else 0
        groups = plan.header.get("FractionGroupSequence") or []
        if not groups:
            raise BadInput(f"{plan.path}: no fraction group (300A,0070) in the plan")
        phases += [_phase(plan, group, start, len(groups)) for group in groups]
    return Treatment(tuple(phases)) if phases else None


def treated_plans(plans: list[Instance]) -> dict[str, frozenset[str]]:
    """Return the plans that count as treatment.

    Args:
        plans: RT Plan and RT Ion Plan files of one patient.

    Returns:
        Numbers of the treatment beams by SOPInstanceUID of the plan.
    """
    return {
        str(p.header.SOPInstanceUID): frozenset(
            str(b.get("BeamNumber", "")) for b in _treatment_beams(p.header)
        )
        for p in plans
        if _was_treatment(p.header)
    }


def _treatment_beams(header: Dataset) -> list[Dataset]:
    beams = header.get("IonBeamSequence") or header.get("BeamSequence") or []
    return [b for b in beams if b.get("TreatmentDeliveryType", "TREATMENT") == "TREATMENT"]


def _was_treatment(header: Dataset) -> bool:
    rejected = header.get("ApprovalStatus") == "REJECTED"
    return not rejected and header.get("PlanIntent") not in _NOT_TREATMENT


def _phase(plan: Instance, group: Dataset, start_day: int, groups: int) -> Phase:
    radiation = _radiation(plan)
    fractions = int(group.get("NumberOfFractionsPlanned") or 0)
    if fractions < 1:
        raise BadInput(f"{plan.path}: no number of fractions (300A,0078) in the plan")
    dose = _prescription(plan.header) if groups == 1 else 0.0
    if dose <= 0:  # several groups share one prescription: then only beam doses distinguish them
        beams = group.get("ReferencedBeamSequence") or []
        dose = fractions * sum(float(b.get("BeamDose") or 0) for b in beams)
    if dose <= 0:
        raise BadInput(f"{plan.path}: neither a prescription (300A,0026) nor beam doses in it")
    biological = radiation is not Radiation.PHOTON
    return Phase(radiation, dose, fractions, start_day, biological=biological)


def _prescription(header: Dataset) -> float:
    """Return the largest target prescription dose (300A,0026) in Gy; 0 where there is none."""
    doses = [
        float(reference.TargetPrescriptionDose)
        for reference in header.get("DoseReferenceSequence") or []
        if reference.get("TargetPrescriptionDose")
        and reference.get("DoseReferenceType", "TARGET") == "TARGET"
    ]
    return max(doses, default=0.0)


def _radiation(plan: Instance) -> Radiation:
    """Return the particle of the first treatment beam; carbon by its atomic number (300A,0304)."""
    beams = _treatment_beams(plan.header)
    if not beams:
        raise BadInput(f"{plan.path}: the plan has no treatment beam")
    kind = str(beams[0].get("RadiationType", ""))
    if kind == "ION" and int(beams[0].get("RadiationAtomicNumber") or 0) == _CARBON:
        return Radiation.CARBON
    if kind in ("PHOTON", "PROTON"):
        return Radiation(kind.lower())
    raise BadInput(f"{plan.path}: radiation type '{kind}' is not photon, proton or carbon")
