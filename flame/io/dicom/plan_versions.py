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
from flame.io.dicom.instances import Instance, items
from flame.io.dicom.prescriptions import PlannedGroup, metersets, planned_groups
from flame.io.dicom.treatment_records import Given, given_fractions, is_record, plan_of

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
_IMPLAUSIBLE_GY = 85.0
"""Sum of two prescriptions in Gy that no brain is given in one course."""
_ONE_COURSE_DAYS = 60
"""Days between the starts of plans up to which they may be of one course."""
_LAST_WEEK = 5
"""Fractions left of a plan up to which a plan of as many may be a boost."""

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
        starts: day of the first fraction of each group, where records tell it.
    """

    plan: Instance
    groups: tuple[PlannedGroup, ...]
    given: tuple[int, ...]
    start: date | None
    recorded: bool
    starts: tuple[date | None, ...] = ()

    @property
    def uid(self) -> str:
        """SOPInstanceUID (0008,0018) of the plan."""
        return _uid(self.plan)

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
        BadInput: a plan lacks fraction groups, fractions, doses or treatment beams, or has another
            radiation than photons, protons or carbon ions; records refer to a plan that is missing;
            or it is not known which of several plans were given.
    """
    plans = list({_uid(i): i for i in instances if is_plan(i)}.values())
    treatments = [p for p in plans if _is_treatment(p)]
    records = given_fractions(instances, {_uid(p): metersets(p.header) for p in plans})
    _check_complete(instances, {_uid(p) for p in plans})
    recorded = [p for p in treatments if any(_uid(p) == uid for uid, _ in records)]
    notes = []
    if left_out := len(plans) - len(treatments):
        notes.append(f"{left_out} verification or quality-assurance plans left out")
    if recorded:
        found = [_recorded(p, records, date_of) for p in recorded]
        if unused := len(treatments) - len(recorded):
            notes.append(f"{unused} plans without a treatment record left out: not given")
        if broken_off := sum(group.broken_off for group in records.values()):
            notes.append(f"{broken_off} fractions broken off before half of their dose: not given")
    else:
        approved = _approved(treatments, notes)
        found = _planned([_as_planned(p, date_of) for p in approved], notes)
        _check_plausible(found)
        notes += ["fractions as planned, not recorded"] * bool(found)
    given = [g for g in found if sum(g.given)]
    return sorted(given, key=_order), notes


def _uid(plan: Instance) -> str:
    return str(plan.header.get("SOPInstanceUID") or plan.path)


def _is_treatment(plan: Instance) -> bool:
    header = plan.header
    verifies = "VERIFIED_PLAN" in _relations(plan).values()
    phantom = header.get("RTPlanGeometry") == "TREATMENT_DEVICE"
    return header.get("PlanIntent") not in _NOT_TREATMENT and not verifies and not phantom


def _check_complete(instances: list[Instance], plans: set[str]) -> None:
    """Raise BadInput if records refer to a plan that is missing, where there are plans."""
    for record in (i for i in instances if plans and is_record(i)):
        if plan_of(record.header) not in plans:
            raise BadInput(
                f"{record.path}: this treatment record refers to a plan that is not in the folder; "
                "add the plan, or give the course with --treatments"
            )


def _check_plausible(plans: list[GivenPlan]) -> None:
    """Raise BadInput if the plans of one time add up to more than a brain is given."""
    for plan in plans:
        near = [p for p in plans if _days_apart(p, plan) <= _ONE_COURSE_DAYS and any(p.given)]
        total = sum(p.dose * sum(p.given) / p.planned for p in near)
        if len(near) > 1 and total > _IMPLAUSIBLE_GY:
            raise BadInput(
                f"{plan.plan.path}: {len(near)} plans of one time add up to {total:g} Gy, and it "
                "is not known which of them were given; add the RT Treatment Records, or give the "
                "course with --treatments"
            )


def _days_apart(a: GivenPlan, b: GivenPlan) -> int:
    return abs((a.start - b.start).days) if a.start and b.start else 0


def _order(plan: GivenPlan) -> tuple[date, str, str]:
    header = plan.plan.header
    return plan.start or date.min, str(header.get("RTPlanTime") or ""), str(plan.plan.path)


def _relations(plan: Instance) -> dict[str, str]:
    """Return the relationship to each plan that a plan refers to, by its SOPInstanceUID."""
    return {
        str(r.get("ReferencedSOPInstanceUID")): str(r.get("RTPlanRelationship") or "")
        for r in items(plan.header, "ReferencedRTPlanSequence")
    }


def _recorded(plan: Instance, records: dict[tuple[str, int], Given], date_of: DateOf) -> GivenPlan:
    groups = planned_groups(plan)
    each = [records.get((_uid(plan), g.number), Given(0, None)) for g in groups]
    start = min((g.first for g in each if g.first), default=date_of(plan.header))
    starts = tuple(g.first or start for g in each)
    return GivenPlan(plan, groups, tuple(g.fractions for g in each), start, True, starts)


def _approved(plans: list[Instance], notes: list[str]) -> list[Instance]:
    """Leave out rejected plans, and drafts where the patient has an approved plan."""
    kept = [p for p in plans if p.header.get("ApprovalStatus") != "REJECTED"]
    approved = [p for p in kept if p.header.get("ApprovalStatus") == "APPROVED"]
    if rejected := len(plans) - len(kept):
        notes.append(f"{rejected} rejected plans left out")
    if approved and len(approved) < len(kept):
        notes.append(
            f"{len(kept) - len(approved)} unapproved plans left out beside an approved one"
        )
        kept = approved
    return kept


def _as_planned(plan: Instance, date_of: DateOf) -> GivenPlan:
    groups = planned_groups(plan)
    given = tuple(g.fractions for g in groups)
    return GivenPlan(plan, groups, given, date_of(plan.header), False)


def _planned(plans: list[GivenPlan], notes: list[str]) -> list[GivenPlan]:
    """Shorten each plan that a later one replaces."""
    ancestors = _ancestors(plans)
    kept: list[GivenPlan] = []

    def order(plan: GivenPlan) -> tuple[object, ...]:
        day, *rest = _order(plan)
        return day, len(ancestors[plan.uid]), *rest

    for plan in sorted(plans, key=order):
        relations = _relations(plan.plan)
        for i, earlier in enumerate(kept):
            relation = relations.get(earlier.uid, "")
            if relation == "ALTERNATIVE":
                kept[i] = earlier.limited(0)
            elif _relations(earlier.plan).get(plan.uid) == "ALTERNATIVE":
                plan = plan.limited(0)
            elif relation in ("", "PREDECESSOR") and any(earlier.given):
                before = _fractions_before(earlier, plan)
                family = ancestors[earlier.uid] | {earlier.uid}
                named = bool(family & ancestors[plan.uid])
                if not _replaces(earlier, plan, before, named):
                    continue
                if plan.planned == earlier.planned:  # the prescription of the whole course
                    plan = plan.limited(sum(earlier.given) - before)
                kept[i] = earlier.limited(before)
                notes.append(f"a plan of {earlier.planned} fractions was replaced after {before}")
        kept.append(plan)
    return kept


def _ancestors(plans: list[GivenPlan]) -> dict[str, set[str]]:
    """Return the plans that each plan was derived from, also through others, by their UID."""
    named = {
        p.uid: {u for u, r in _relations(p.plan).items() if r in ("", "PREDECESSOR")} for p in plans
    }
    for _ in plans:  # a chain has at most so many steps
        for uid, found in named.items():
            found |= {x for other in found for x in named.get(other, set())} - {uid}
    return named


def _fractions_before(earlier: GivenPlan, later: GivenPlan) -> int:
    """Return how many fractions of a plan fit before another one starts, five a week."""
    if earlier.start is None or later.start is None:
        return 0
    days = (later.start - earlier.start).days
    return sum(n // 5 * 7 + n % 5 < days for n in range(sum(earlier.given)))


def _replaces(earlier: GivenPlan, later: GivenPlan, before: int, named: bool) -> bool:
    """Return whether a plan replaces an earlier one, which had ``before`` fractions until then.

    PREDECESSOR says only that a plan was derived from another one, as boosts are, too.
    """
    left = sum(earlier.given) - before
    per_fraction = [p.dose / p.planned for p in (earlier, later)]
    alike = abs(per_fraction[0] / per_fraction[1] - 1) <= _SAME
    if left <= 0 or earlier.radiation is not later.radiation or not (alike or named):
        return False
    same = earlier.planned == later.planned
    fits = abs(later.planned - left) <= _NEAR_FRACTIONS and before > 0
    if not same and not fits:
        return False
    if named or earlier.dose + later.dose > _IMPLAUSIBLE_GY:
        return True
    if not same and left <= _LAST_WEEK:
        return False  # a boost that was approved before the first plan ended
    raise BadInput(
        f"{later.plan.path}: a plan of {later.dose:g} Gy in {later.planned} fractions overlaps one "
        f"of {earlier.dose:g} Gy in {earlier.planned}, and it is not known whether both were "
        "given; add the RT Treatment Records, or give the course with --treatments"
    )
