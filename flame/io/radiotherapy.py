"""RT Plan and RT Ion Plan files to Treatment."""

from datetime import date

from pydicom.dataset import Dataset

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.headers import Instance

RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
_CARBON = 6


def is_plan(instance: Instance) -> bool:
    """Whether the file is an RT Plan or an RT Ion Plan."""
    return str(instance.header.get("SOPClassUID")) in (RT_PLAN, RT_ION_PLAN)


def plan_date(header: Dataset) -> date | None:
    """RTPlanDate (300A,0006), else StudyDate, else None."""
    text = str(header.get("RTPlanDate") or header.get("StudyDate") or "")
    return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None


def read_treatment(plans: list[Instance]) -> Treatment | None:
    """Return the phases of ``plans`` in order of plan date; None where there is no plan.

    Each fraction group is a phase. Ion prescriptions are taken as RBE-weighted (GyRBE), as they
    are prescribed in practice; photon ones as physical dose.
    """
    dated = sorted(plans, key=lambda p: (plan_date(p.header) or date.min, str(p.path)))
    first = next((d for p in dated if (d := plan_date(p.header))), None)
    phases = []
    for plan in dated:
        day = plan_date(plan.header)
        start = (day - first).days if day and first else 0
        phases += [_phase(plan, group, start) for group in plan.header.FractionGroupSequence]
    return Treatment(tuple(phases)) if phases else None


def _phase(plan: Instance, group: Dataset, start_day: int) -> Phase:
    radiation = _radiation(plan)
    fractions = int(group.get("NumberOfFractionsPlanned") or 0)
    if fractions < 1:
        raise BadInput(f"{plan.path}: no number of fractions (300A,0078) in the plan")
    doses = [
        float(reference.TargetPrescriptionDose)
        for reference in plan.header.get("DoseReferenceSequence", [])
        if reference.get("TargetPrescriptionDose")
    ]
    per_fraction = sum(
        float(b.get("BeamDose") or 0) for b in group.get("ReferencedBeamSequence", [])
    )
    dose = max(doses, default=per_fraction * fractions)
    if dose <= 0:
        raise BadInput(f"{plan.path}: neither a prescription (300A,0026) nor beam doses in it")
    biological = radiation is not Radiation.PHOTON
    return Phase(radiation, dose, fractions, start_day, biological=biological)


def _radiation(plan: Instance) -> Radiation:
    """Particle type of the first treatment beam; carbon by its atomic number (300A,0304)."""
    header = plan.header
    beams = header.get("IonBeamSequence") or header.get("BeamSequence") or []
    beams = [b for b in beams if b.get("TreatmentDeliveryType", "TREATMENT") == "TREATMENT"]
    if not beams:
        raise BadInput(f"{plan.path}: the plan has no treatment beam")
    kind = str(beams[0].get("RadiationType", ""))
    if kind == "ION" and int(beams[0].get("RadiationAtomicNumber") or 0) == _CARBON:
        return Radiation.CARBON
    if kind in ("PHOTON", "PROTON"):
        return Radiation(kind.lower())
    raise BadInput(f"{plan.path}: radiation type '{kind}' is not photon, proton or carbon")
