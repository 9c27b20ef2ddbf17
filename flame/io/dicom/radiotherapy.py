"""Reads RT Plan and RT Ion Plan files as a radiotherapy course."""

from datetime import date

from pydicom.dataset import Dataset

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.dicom.dates import first_date
from flame.io.dicom.instances import Instance

RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
"""SOPClassUID of RT Plan Storage."""
RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
"""SOPClassUID of RT Ion Plan Storage, here of protons and carbon ions."""
_CARBON = 6
"""RadiationAtomicNumber (300A,0304) of carbon."""
_NOT_TREATMENT = {"VERIFICATION", "MACHINE_QA", "RESEARCH", "SERVICE"}
"""Values of PlanIntent (300A,000A) of plans that were not delivered to the patient."""
_REMEDY = "export the plan again, or give the course with --treatments"


def is_plan(instance: Instance) -> bool:
    """Check whether an instance is a plan.

    Args:
        instance: the instance.

    Returns:
        True for an RT Plan or an RT Ion Plan.
    """
    return str(instance.header.get("SOPClassUID")) in (RT_PLAN, RT_ION_PLAN)


def frames_of(item: Instance) -> set[str]:
    """Return the frames of reference that a radiotherapy object refers to."""
    header = item.header
    regions = header.get("StructureSetROISequence") or []
    frames = {str(header.get("FrameOfReferenceUID") or "")}
    frames |= {str(r.get("ReferencedFrameOfReferenceUID") or "") for r in regions}
    return frames - {""}


def plan_date(header: Dataset) -> date | None:
    """Read the date of a plan.

    Args:
        header: header of the plan.

    Returns:
        RTPlanDate (300A,0006), or else StudyDate; None if neither is valid.
    """
    return first_date(header, "RTPlanDate", "StudyDate")


def read_treatment(plans: list[Instance]) -> Treatment | None:
    """Read the radiotherapy course that a patient's plans describe.

    Each fraction group is a phase. Copies of a plan count once. Rejected, verification and
    quality-assurance plans are ignored, and so are unapproved plans beside an approved one. Ion
    prescriptions count as RBE-weighted, as is clinical practice, and photon prescriptions as
    physical dose.

    Args:
        plans: RT Plan and RT Ion Plan instances of one patient.

    Returns:
        The course with phases in order of plan date, doses in Gy and start days from the first plan
        date; None if no plan counts as treatment.

    Raises:
        BadInput: a plan lacks fraction groups, fractions, doses or treatment beams, or has another
            radiation than photons, protons or carbon ions.
    """
    unique = {str(p.header.get("SOPInstanceUID")): p for p in _treatments(plans)}
    dated = sorted(unique.values(), key=lambda p: (plan_date(p.header) or date.min, str(p.path)))
    dates = [plan_date(p.header) for p in dated]
    first = next((d for d in dates if d), None)
    phases = []
    for plan, day in zip(dated, dates, strict=True):
        start = (day - first).days if day and first else 0
        groups = plan.header.get("FractionGroupSequence") or []
        if not groups:
            raise BadInput(
                f"{plan.path}: no fraction group (FractionGroupSequence, 300A,0070) in the plan; "
                f"{_REMEDY}"
            )
        phases += [_phase(plan, group, start, len(groups)) for group in groups]
    return Treatment(tuple(phases)) if phases else None


def treated_plans(plans: list[Instance]) -> dict[str, frozenset[str]]:
    """Select the plans that count as treatment.

    Args:
        plans: RT Plan and RT Ion Plan instances of one patient.

    Returns:
        BeamNumber (300A,00C0) of the treatment beams, by SOPInstanceUID of the plan.
    """
    return {
        str(p.header.SOPInstanceUID): frozenset(
            str(b.get("BeamNumber", "")) for b in _treatment_beams(p.header)
        )
        for p in _treatments(plans)
    }


def _treatment_beams(header: Dataset) -> list[Dataset]:
    beams = header.get("IonBeamSequence") or header.get("BeamSequence") or []
    return [b for b in beams if b.get("TreatmentDeliveryType", "TREATMENT") == "TREATMENT"]


def _treatments(plans: list[Instance]) -> list[Instance]:
    """Return the plans that count; drafts do not where the patient has an approved plan."""
    counted = [p for p in plans if _was_treatment(p.header)]
    approved = [p for p in counted if p.header.get("ApprovalStatus") == "APPROVED"]
    drafts = [p for p in counted if p.header.get("ApprovalStatus") == "UNAPPROVED"]
    return [p for p in counted if not (approved and p in drafts)]


def _was_treatment(header: Dataset) -> bool:
    rejected = header.get("ApprovalStatus") == "REJECTED"
    return not rejected and header.get("PlanIntent") not in _NOT_TREATMENT


def _phase(plan: Instance, group: Dataset, start_day: int, groups: int) -> Phase:
    radiation = _radiation(plan)
    fractions = int(group.get("NumberOfFractionsPlanned") or 0)
    if fractions < 1:
        raise BadInput(
            f"{plan.path}: no number of fractions (NumberOfFractionsPlanned, 300A,0078) in the "
            f"plan; {_REMEDY}"
        )
    dose = _prescription(plan.header) if groups == 1 else 0.0
    if dose <= 0:  # several groups share one prescription, so only beam doses distinguish them
        beams = group.get("ReferencedBeamSequence") or []
        dose = fractions * sum(float(b.get("BeamDose") or 0) for b in beams)
    if dose <= 0:
        raise BadInput(
            f"{plan.path}: the plan has neither a prescription (TargetPrescriptionDose, 300A,0026) "
            f"nor beam doses (BeamDose, 300A,0084); {_REMEDY}"
        )
    biological = radiation is not Radiation.PHOTON
    return Phase(radiation, dose, fractions, start_day, biological=biological)


def _prescription(header: Dataset) -> float:
    """Return the largest TargetPrescriptionDose (300A,0026) in Gy; 0 if no target has one."""
    doses = [
        float(reference.TargetPrescriptionDose)
        for reference in header.get("DoseReferenceSequence") or []
        if reference.get("TargetPrescriptionDose")
        and reference.get("DoseReferenceType", "TARGET") == "TARGET"
    ]
    return max(doses, default=0.0)


def _radiation(plan: Instance) -> Radiation:
    """Return the radiation of the first treatment beam."""
    beams = _treatment_beams(plan.header)
    if not beams:
        raise BadInput(f"{plan.path}: the plan has no treatment beam; {_REMEDY}")
    kind = str(beams[0].get("RadiationType", ""))
    if kind == "ION" and int(beams[0].get("RadiationAtomicNumber") or 0) == _CARBON:
        return Radiation.CARBON
    if kind in ("PHOTON", "PROTON"):
        return Radiation(kind.lower())
    raise BadInput(
        f"{plan.path}: RadiationType (300A,00C6) '{kind}' is not photon, proton or carbon; give "
        "the course with --treatments"
    )
