"""Response Assessment in Neuro-Oncology (RANO): a rating of every imaging day, with its reason.

The ratings do not use steroid dose and clinical state, as these are not available.

Reference:
    Wen et al. 2010, doi:10.1200/JCO.2009.26.3541 (RANO 2010).
    Wen et al. 2023, doi:10.1200/JCO.23.01059 (RANO 2.0).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from flame.core.errors import BadInput
from flame.core.registry import nearest


class Rating(StrEnum):
    """Rating of a day.

    CR, PR, SD and PD are complete response, partial response, stable disease and progressive
    disease.
    """

    BEFORE = "before baseline"
    BASELINE = "baseline"
    CR = "CR"
    PR = "PR"
    SD = "SD"
    PD = "PD"
    UNCONFIRMED = "unconfirmed PD"
    NOT_PD = "unconfirmed PD, not confirmed"


@dataclass(frozen=True)
class Burden:
    """Tumour burden on one day.

    Args:
        day: day from the start of radiotherapy.
        size: size of the target lesions, in ml or mm² as the criteria require.
        rest: whether any lesion is present, measurable or not.
        new: whether a measurable lesion lies where none was at baseline.
        flair: volume of the whole abnormality in ml; None where unknown.
        outside: whether a new measurable lesion lies outside the 80 % isodose; None where the dose
            is unknown.
    """

    day: int
    size: float
    rest: bool = True
    new: bool = False
    flair: float | None = None
    outside: bool | None = None


@dataclass(frozen=True)
class Criteria:
    """Thresholds of one set of criteria, as relative changes of size.

    Args:
        name: name of the criteria.
        unit: unit of size: ml or mm².
        partial: change from baseline at or below which the rating is PR.
        growth: change from the nadir at or above which the rating is PD.
        after_radiotherapy: True: the baseline is the first day after radiotherapy; False: the last
            day before it.
        targets: largest number of target lesions.
        flair_growth: change of the whole abnormality from its smallest volume at or above which the
            rating is PD; None: not used. RANO 2010 gives no number.
        unsure_days: days after radiotherapy within which growth may be an effect of treatment; 84
            are 12 weeks.
        isodose: how PD is rated within that time. True, as in RANO 2010: only a new lesion outside
            the 80 % isodose is PD. False, as in RANO 2.0: a later scan must confirm PD.
        look_days: shortest time in days from unconfirmed PD to the scan that confirms it; 28 are 4
            weeks.
    """

    name: str
    unit: str
    partial: float
    growth: float
    after_radiotherapy: bool
    targets: int
    flair_growth: float | None = None
    unsure_days: int = 84
    look_days: int = 28
    isodose: bool = False


CRITERIA = {
    c.name: c
    for c in (
        Criteria(
            "rano-2.0-volume",
            "ml",
            partial=-0.65,
            growth=0.40,
            after_radiotherapy=True,
            targets=3,
        ),
        Criteria(
            "rano-2.0",
            "mm²",
            partial=-0.50,
            growth=0.25,
            after_radiotherapy=True,
            targets=3,
        ),
        Criteria(
            "rano-2010",
            "mm²",
            partial=-0.50,
            growth=0.25,
            after_radiotherapy=False,
            targets=5,
            flair_growth=0.40,
            isodose=True,
        ),
    )
}
"""Criteria by name."""


def criteria_named(name: str) -> Criteria:
    """Look up criteria by name.

    Args:
        name: key of CRITERIA.

    Returns:
        The criteria.

    Raises:
        BadInput: the name is unknown; the message suggests the nearest one.
    """
    if name not in CRITERIA:
        raise BadInput(f"unknown criteria '{name}': {nearest(name, list(CRITERIA))}")
    return CRITERIA[name]


@dataclass(frozen=True)
class Assessment:
    """Rating of one day, with the sizes on which it is based.

    Args:
        burden: tumour burden of the day.
        rating: rating.
        baseline: size at baseline, in the unit of the criteria; None before the baseline.
        nadir: smallest size from the baseline up to the previous day; None before the baseline.
        from_baseline: relative change from the baseline; None up to the baseline, or where its size
            is 0.
        from_nadir: relative change from the nadir; None up to the baseline, or where the nadir is
            0.
        why: the rule that applied, in words.
    """

    burden: Burden
    rating: Rating
    baseline: float | None = None
    nadir: float | None = None
    from_baseline: float | None = None
    from_nadir: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Progression:
    """Time to progression, in days from the start of radiotherapy.

    Args:
        days: day of the first confirmed PD or of death, or else the last imaging day.
        progressed: True for an event, False where the time is censored.
    """

    days: int
    progressed: bool


def baseline_of(
    days: Sequence[int], end_of_radiotherapy: int, rules: Criteria, start: int = 0
) -> int | None:
    """Find the day of the baseline.

    Args:
        days: imaging days from the start of radiotherapy.
        end_of_radiotherapy: day of the last fraction of the course.
        rules: criteria; they define whether the baseline is the first day after radiotherapy or
            the last day up to its start.
        start: day of the first fraction of the course.

    Returns:
        Day from the start of radiotherapy, or None where no day can serve as baseline.

    Example:
        >>> baseline_of([-5, 60, 150], 42, CRITERIA["rano-2.0"])
        60
    """
    if rules.after_radiotherapy:
        return min((d for d in days if d > end_of_radiotherapy), default=None)
    return max((d for d in days if d <= start), default=None)


def assess(
    days: Sequence[Burden], end_of_radiotherapy: int, rules: Criteria, first_day: int = 0
) -> list[Assessment]:
    """Rate every day in order, by the first rule that applies.

    PD: a new measurable lesion, growth of at least ``growth`` above the nadir, measurable disease
    after a nadir of 0, or growth of the whole abnormality by ``flair_growth``. CR: no lesion. PR: a
    change from baseline of at most ``partial``. SD: otherwise. Within 12 weeks of radiotherapy, PD
    stays unconfirmed until a later scan confirms or rejects it, which changes the earlier rating
    (RANO 2.0), or needs a new lesion outside the 80 % isodose (RANO 2010, table 1 of Wen et al.).
    CR and PR need no confirmation after four weeks.

    Args:
        days: burden of each day, in ascending order of days.
        end_of_radiotherapy: day of the last fraction of the course.
        rules: criteria.
        first_day: day of the first fraction of the course.

    Returns:
        One assessment for each day, in the same order.

    Example:
        >>> days = [Burden(60, 10.0), Burden(150, 3.0), Burden(250, 4.3)]
        >>> [str(a.rating) for a in assess(days, 42, CRITERIA["rano-2.0-volume"])]
        ['baseline', 'PR', 'PD']
    """
    start = baseline_of([b.day for b in days], end_of_radiotherapy, rules, first_day)
    if start is None:
        return [Assessment(b, Rating.BEFORE, why="no day to serve as baseline") for b in days]
    baseline = next(b for b in days if b.day == start)
    assessments: list[Assessment] = []
    nadir = baseline.size
    flair = baseline.flair
    for burden in days:
        if burden.day < baseline.day:
            assessments.append(Assessment(burden, Rating.BEFORE, why="before the baseline"))
        elif burden is baseline:
            why = (
                "first day after radiotherapy"
                if rules.after_radiotherapy
                else "last day before radiotherapy"
            )
            assessments.append(Assessment(burden, Rating.BASELINE, burden.size, nadir, why=why))
        else:
            rated = _rated(burden, baseline, nadir, flair, rules)
            if rated.rating is Rating.PD:
                unsure = burden.day <= end_of_radiotherapy + rules.unsure_days
                rated = _early(assessments, rated, rules) if unsure else rated
            assessments = _resolved(assessments, rated, rules)
            nadir = min(nadir, burden.size)
            flair = burden.flair if flair is None else min(flair, burden.flair or flair)
    return assessments


def _rated(
    burden: Burden, baseline: Burden, nadir: float, flair: float | None, rules: Criteria
) -> Assessment:
    """Rate one day after the baseline, before any confirmation of PD."""
    from_nadir = _change(burden.size, nadir)
    from_baseline = _change(burden.size, baseline.size)
    flair_change = _change(burden.flair, flair)
    rated = Assessment(burden, Rating.SD, baseline.size, nadir, from_baseline, from_nadir)
    if burden.new:
        return replace(rated, rating=Rating.PD, why="a new measurable lesion")
    if from_nadir is not None and from_nadir >= rules.growth:
        why = f"{from_nadir:+.0%} from the nadir (PD from {rules.growth:+.0%})"
        return replace(rated, rating=Rating.PD, why=why)
    if nadir == 0 and burden.size > 0:
        return replace(rated, rating=Rating.PD, why="measurable disease after a nadir of 0")
    threshold = rules.flair_growth
    if threshold is not None and flair_change is not None and flair_change >= threshold:
        why = f"{flair_change:+.0%} of the whole abnormality from its smallest volume"
        return replace(rated, rating=Rating.PD, why=why)
    if not burden.rest:
        return replace(rated, rating=Rating.CR, why="no lesion remains")
    if from_baseline is not None and from_baseline <= rules.partial:
        why = f"{from_baseline:+.0%} from baseline (PR from {rules.partial:+.0%})"
        return replace(rated, rating=Rating.PR, why=why)
    return replace(rated, why="neither PR nor PD")


def _change(size: float | None, reference: float | None) -> float | None:
    """Return the relative change of size; None where either is unknown or the reference is 0."""
    if size is None or not reference:
        return None
    # Rounding lets a change that equals a threshold in exact arithmetic reach it.
    return round(size / reference - 1, 9)


def _early(earlier: list[Assessment], rated: Assessment, rules: Criteria) -> Assessment:
    """Rate PD within 12 weeks of radiotherapy."""
    if not rules.isodose:
        return _confirmed(earlier, rated, rules)
    if rated.burden.outside:
        return replace(rated, why="a new measurable lesion outside the 80 % isodose")
    place = "the dose is unknown" if rated.burden.outside is None else "within the 80 % isodose"
    why = f"{rated.why}; no PD this soon after radiotherapy: {place}"
    return replace(rated, rating=Rating.UNCONFIRMED, why=why)


def _confirmed(earlier: list[Assessment], rated: Assessment, rules: Criteria) -> Assessment:
    """Rate early PD as unconfirmed, unless it confirms an earlier unconfirmed PD."""
    waiting = [a for a in earlier if a.rating is Rating.UNCONFIRMED]
    if waiting and rated.burden.day - waiting[0].burden.day >= rules.look_days:
        return rated
    why = f"{rated.why}; PD this soon after radiotherapy needs a confirming scan"
    return replace(rated, rating=Rating.UNCONFIRMED, why=why)


def _resolved(earlier: list[Assessment], rated: Assessment, rules: Criteria) -> list[Assessment]:
    """Confirm or reject earlier unconfirmed PD by a scan that is late enough."""
    late = [
        a
        for a in earlier
        if a.rating is Rating.UNCONFIRMED and rated.burden.day - a.burden.day >= rules.look_days
    ]
    if not late or rules.isodose:
        return [*earlier, rated]
    confirmed = rated.rating is Rating.PD
    verdict = Rating.PD if confirmed else Rating.NOT_PD
    word = "confirmed" if confirmed else "not confirmed"
    note = f"; {word} on day {rated.burden.day}"
    resolved = [replace(a, rating=verdict, why=a.why + note) if a in late else a for a in earlier]
    return [*resolved, rated]


def progression(ratings: Sequence[Assessment], death: float | None = None) -> Progression | None:
    """Compute the time to the first confirmed PD or to death, whichever is earlier.

    Args:
        ratings: ratings in order of days.
        death: day of death from the start of radiotherapy; None where the patient is not known to
            have died.

    Returns:
        Time to progression; without an event it is censored at the last imaging day. None without
        an event and without imaging after the baseline.

    Example:
        >>> days = [Burden(60, 10.0), Burden(250, 15.0)]
        >>> progression(assess(days, 42, CRITERIA["rano-2.0-volume"]))
        Progression(days=250, progressed=True)
    """
    rated = [a.burden.day for a in ratings if a.rating not in (Rating.BEFORE, Rating.BASELINE)]
    events = [a.burden.day for a in ratings if a.rating is Rating.PD]
    if death is not None:
        events.append(int(death))
    if events:
        return Progression(min(events), True)
    return Progression(rated[-1], False) if rated else None
