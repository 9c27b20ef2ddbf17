"""Reads the radiotherapy of a patient: the course that plans and treatment records describe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from pydicom.dataset import Dataset

from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.dicom.dates import first_date
from flame.io.dicom.instances import Instance, items
from flame.io.dicom.let_grids import mean_lets
from flame.io.dicom.plan_versions import DateOf, given_plans, is_plan
from flame.io.dicom.prescriptions import treatment_beams


@dataclass(frozen=True)
class GivenDose:
    """What belongs to the dose of a plan.

    Args:
        beams: BeamNumber (300A,00C0) of its treatment beams.
        share: share of its planned fractions that was given; None: its fraction groups were given
            in different shares, so that its dose tells nothing.
        phase: index of its phase in the treatment; None: several groups, whose beams differ.
    """

    beams: frozenset[str]
    share: float | None = 1.0
    phase: int | None = None


@dataclass(frozen=True)
class Radiotherapy:
    """Radiotherapy of a patient.

    Args:
        treatment: the course, with phases in the order of their start; None: no plan was given.
        plans: what belongs to the dose of each plan, by SOPInstanceUID.
        start: first day of radiotherapy; None: unknown.
        notes: what was left out, and whether fractions are planned or recorded.
        first_phases: index of the first phase of each plan, by SOPInstanceUID.
        known: whether there are plans at all, so that a dose must be that of one that was given.
    """

    treatment: Treatment | None = None
    plans: Mapping[str, GivenDose] = field(default_factory=dict)
    start: date | None = None
    notes: tuple[str, ...] = ()
    first_phases: Mapping[str, int] = field(default_factory=dict)
    known: bool = False


def frames_of(item: Instance) -> list[str]:
    """List the frames of reference that a radiotherapy object refers to.

    Args:
        item: RT Dose, RT Structure Set or SEG.

    Returns:
        FrameOfReferenceUIDs (0020,0052): those of its regions, or else its own one, which may be
        that of the study.
    """
    header = item.header
    regions = items(header, "StructureSetROISequence")
    frames = [str(r.get("ReferencedFrameOfReferenceUID") or "") for r in regions]
    if not any(frames):
        for referenced in items(header, "ReferencedFrameOfReferenceSequence"):
            frames.append(str(referenced.get("FrameOfReferenceUID") or ""))
        frames.append(str(header.get("FrameOfReferenceUID") or ""))
    return [f for f in dict.fromkeys(frames) if f]


def plan_date(header: Dataset) -> date | None:
    """Read the date of a plan.

    Args:
        header: header of the plan.

    Returns:
        RTPlanDate (300A,0006), or else StudyDate; None if neither is valid.
    """
    return first_date(header, "RTPlanDate", "StudyDate")


def read_radiotherapy(instances: list[Instance], date_of: DateOf = plan_date) -> Radiotherapy:
    """Read the course that a patient's plans and treatment records describe.

    Each fraction group is a phase, with the LET of its plan where a grid of it is there. Ion
    prescriptions count as RBE-weighted, as is clinical practice, and photon prescriptions as
    physical dose. See ``given_plans`` for which plans count.

    Args:
        instances: instances of one patient; those that are no plan and no record are ignored.
        date_of: returns the date of a plan.

    Returns:
        The course with doses in Gy and start days from its first day.

    Raises:
        BadInput: a plan cannot be read, or cannot be told from another version of it.
    """
    given, notes = given_plans(instances, date_of)
    lets = mean_lets(instances, notes)
    start = next((g.start for g in given if g.start), None)
    phases: list[Phase] = []
    plans = {}
    numbers = {}
    for plan in given:
        own = []
        for number, (group, fractions) in enumerate(zip(plan.groups, plan.given, strict=True)):
            if not fractions:
                continue
            first = plan.starts[number] if plan.starts else plan.start
            own.append(
                Phase(
                    group.radiation,
                    group.dose * fractions / group.fractions,
                    fractions,
                    (first - start).days if first and start else 0,
                    biological=group.radiation is not Radiation.PHOTON,
                    let=lets.get(plan.uid) if group.radiation is not Radiation.PHOTON else None,
                    planned=group.fractions if plan.recorded else None,
                )
            )
        beams = frozenset(str(b.get("BeamNumber", "")) for b in treatment_beams(plan.plan.header))
        shares = {n / g.fractions for n, g in zip(plan.given, plan.groups, strict=True)}
        share = shares.pop() if len(shares) == 1 else None
        one = len(phases) if len(plan.groups) == 1 else None
        plans[plan.uid] = GivenDose(beams, share, one)
        numbers[plan.uid] = len(phases)
        phases += own
    treatment = Treatment(tuple(phases)) if phases else None
    known = any(map(is_plan, instances))
    return Radiotherapy(treatment, plans, start, tuple(notes), numbers, known)
