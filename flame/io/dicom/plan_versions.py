"""Decides which plans of a patient were given, and how many of their fractions.

Treatment records decide where they exist. Otherwise plans are read as planned: drafts, rejected and
quality-assurance plans are left out, and of several versions of one plan the later one counts from
its date on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from pydicom.dataset import Dataset

from flame.core.errors import BadInput
from flame.core.treatment import Radiation
from flame.io.dicom.instances import Instance
from flame.io.dicom.prescriptions import PlannedGroup, planned_groups
from flame.io.dicom.treatment_records import Given, given_fractions

RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
"""SOPClassUID of RT Plan Storage."""
RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
"""SOPClassUID of RT Ion Plan Storage, here of protons and carbon ions."""
_NOT_TREATMENT = {"VERIFICATION", "MACHINE_QA", "RESEARCH", "SERVICE"}
"""Values of PlanIntent (300A,000A) of plans that were not delivered to the patient."""
_SAME = 0.02
"""Relative difference of doses up to which two prescriptions are the same."""
_NEAR_FRACTIONS = 3
"""Largest difference of the fractions of a new plan from those that the former one had left."""
_IMPLAUSIBLE_GY = 100.0
"""Sum of two equal prescriptions in Gy that no brain is given in one course."""

DateOf = Callable[[Dataset], date | None]
"""Returns the date of a plan; None: unknown."""


@dataclass(frozen=True, eq=False)
class GivenPlan:
    """A plan that counts as treatment.

    Args:
        plan: the RT Plan or RT Ion Plan.
        groups: what its fraction groups prescribe.
        given: number of fractions that were given of each group.
        start: day of its first fraction, or else its date; None: unknown.
        recorded: whether treatment records tell the fractions.
    """

    plan: Instance
    groups: tuple[PlannedGroup, ...]
    given: tuple[int, ...]
    start: date | None
    recorded: bool

    @property
    def uid(self) -> str:
        """SOPInstanceUID (0008,0018) of the plan."""
        return str(self.plan.header.get("SOPInstanceUID"))

    @property
    def planned(self) -> int:
        """Number of fractions of all groups."""
        return sum(g.fractions for g in self.groups)

    @property
    def dose(self) -> float:
        """Prescribed dose of all groups in Gy."""
        return sum(g.dose for g in self.groups)

    @property
    def radiation(self) -> Radiation:
        """Radiation of its first group."""
        return self.groups[0].radiation

    def limited(self, fractions: int) -> "GivenPlan":
        """Return the plan with at most so many fractions, the first ones."""
        left = max(fractions, 0)
        given = []
        for group in self.groups:
            given.append(min(group.fractions, left))
            left -= given[-1]
        return replace(self, given=tuple(given))


def is_plan(instance: Instance) -> bool:
    """Check whether an instance is a plan.

    Args:
        instance: the instance.

    Returns:
        True for an RT Plan or an RT Ion Plan.
    """
    return str(instance.header.get("SOPClassUID")) in (RT_PLAN, RT_ION_PLAN)


def given_plans(instances: list[Instance], date_of: DateOf) -> tuple[list[GivenPlan], list[str]]:
    """Find the plans that were given to a patient.

    Args:
        instances: instances of one patient; those that are no plan and no record are ignored.
        date_of: returns the date of a plan.

    Returns:
        Plans in the order in which they started, each with at least one fraction, and notes.

    Raises:
        BadInput: a plan lacks fraction groups, fractions, doses or treatment beams, has another
            radiation than photons, protons or carbon ions, or cannot be told from another version
            of it.
    """
    plans = list({str(i.header.get("SOPInstanceUID")): i for i in instances if is_plan(i)}.values())
    treatments = [p for p in plans if p.header.get("PlanIntent") not in _NOT_TREATMENT]
    treatments = [p for p in treatments if "VERIFIED_PLAN" not in _relations(p).values()]
    records = given_fractions(instances)
    recorded = [p for p in treatments if any(p.header.SOPInstanceUID == uid for uid, _ in records)]
    notes = []
    if left_out := len(plans) - len(treatments):
        notes.append(f"{left_out} verification or quality-assurance plans left out")
    if recorded:
        found = [_recorded(p, records, date_of) for p in recorded]
        if unused := len(treatments) - len(recorded):
            notes.append(f"{unused} plans without a treatment record left out: not given")
    else:
        approved = _approved(treatments, notes)
        found = _planned([_as_planned(p, date_of) for p in approved], notes)
        notes += ["fractions as planned, not recorded"] * bool(found)
    given = [g for g in found if sum(g.given)]
    return sorted(given, key=_order), notes


def _order(plan: GivenPlan) -> tuple[date, str, str]:
    header = plan.plan.header
    return plan.start or date.min, str(header.get("RTPlanTime") or ""), str(plan.plan.path)


def _relations(plan: Instance) -> dict[str, str]:
    """Return the relationship to each plan that a plan refers to, by its SOPInstanceUID."""
    return {
        str(r.get("ReferencedSOPInstanceUID")): str(r.get("RTPlanRelationship") or "PREDECESSOR")
        for r in plan.header.get("ReferencedRTPlanSequence") or []
    }


def _recorded(plan: Instance, records: dict[tuple[str, int], Given], date_of: DateOf) -> GivenPlan:
    groups = planned_groups(plan)
    uid = str(plan.header.SOPInstanceUID)
    each = [records.get((uid, g.number), Given(0, None, None)) for g in groups]
    start = min((g.first for g in each if g.first), default=date_of(plan.header))
    return GivenPlan(plan, groups, tuple(g.fractions for g in each), start, True)


def _approved(plans: list[Instance], notes: list[str]) -> list[Instance]:
    """Leave out rejected plans, and drafts where the patient has an approved plan."""
    kept = [p for p in plans if p.header.get("ApprovalStatus") != "REJECTED"]
    approved = [p for p in kept if p.header.get("ApprovalStatus") == "APPROVED"]
    drafts = [p for p in kept if p.header.get("ApprovalStatus") == "UNAPPROVED"]
    if rejected := len(plans) - len(kept):
        notes.append(f"{rejected} rejected plans left out")
    if approved and drafts:
        notes.append(f"{len(drafts)} unapproved plans left out beside an approved one")
        kept = [p for p in kept if p not in drafts]
    return kept


def _as_planned(plan: Instance, date_of: DateOf) -> GivenPlan:
    groups = planned_groups(plan)
    given = tuple(g.fractions for g in groups)
    return GivenPlan(plan, groups, given, date_of(plan.header), False)


def _planned(plans: list[GivenPlan], notes: list[str]) -> list[GivenPlan]:
    """Shorten each plan that a later one replaces."""
    ordered = sorted(plans, key=_order)
    kept: list[GivenPlan] = []
    for plan in ordered:
        relations = _relations(plan.plan)
        for i, earlier in enumerate(kept):
            relation = relations.get(earlier.uid) or _guessed(earlier, plan)
            if relation == "ALTERNATIVE":
                kept[i] = earlier.limited(0)
            elif relation == "PREDECESSOR":
                before = _fractions_before(earlier, plan)
                left = sum(earlier.given) - before
                kept[i] = earlier.limited(before)
                plan = plan.limited(min(sum(plan.given), max(left, 0)))
                notes.append(f"a plan of {earlier.planned} fractions was replaced after {before}")
        kept.append(plan)
    return kept


def _fractions_before(earlier: GivenPlan, later: GivenPlan) -> int:
    """Return how many fractions of a plan fit before another one starts, five a week."""
    if earlier.start is None or later.start is None:
        return 0
    days = (later.start - earlier.start).days
    return sum(n // 5 * 7 + n % 5 < days for n in range(sum(earlier.given)))


def _guessed(earlier: GivenPlan, later: GivenPlan) -> str:
    """Return PREDECESSOR if a plan seems to be a later version of another one, else nothing."""
    per_fraction = [p.dose / p.planned for p in (earlier, later)]
    alike = abs(per_fraction[0] / per_fraction[1] - 1) <= _SAME
    if earlier.radiation is not later.radiation or not alike or not sum(earlier.given):
        return ""
    if earlier.start is None or later.start is None:
        before = 0
    else:
        before = _fractions_before(earlier, later)
        if before >= sum(earlier.given):
            return ""  # it starts after the end of the earlier one
    if earlier.planned == later.planned:
        if earlier.dose + later.dose > _IMPLAUSIBLE_GY:
            return "PREDECESSOR"
        raise BadInput(
            f"{later.plan.path}: two plans of {earlier.dose:g} Gy in {earlier.planned} fractions "
            "at one time, of which it is not known whether both were given; add the RT Treatment "
            "Records, or give the course with --treatments"
        )
    left = earlier.planned - before
    replaces = before > 0 and abs(later.planned - left) <= _NEAR_FRACTIONS
    return "PREDECESSOR" if replaces else ""
