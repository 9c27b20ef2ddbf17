"""Response Assessment in Neuro-Oncology (RANO): a rating of every imaging day, with its reason.

Steroid dose and clinical state are not available and not used.

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
        new: whether a measurable lesion lies where there was none at baseline.
        flair: volume of the whole abnormality in ml; None where unknown.
    """

    day: int
    size: float
    rest: bool = True
    new: bool = False
    flair: float | None = None


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
        unsure_days: days after radiotherapy within which PD needs confirmation (12 weeks).
        look_days: shortest time in days from unconfirmed PD to the scan that confirms it (4 weeks).
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


CRITERIA = {
    c.name: c
    for c in (
        Criteria("rano-2.0-volume", "ml", -0.65, 0.40, True, 3),
        Criteria("rano-2.0", "mm²", -0.50, 0.25, True, 3),
        Criteria("rano-2010", "mm²", -0.50, 0.25, False, 5, flair_growth=0.40),
    )
}
"""Criteria by name."""


def criteria_named(name: str) -> Criteria:
    """Return the criteria with a name.

    Args:
        name: key of CRITERIA.

    Raises:
        BadInput: the name is unknown; the message suggests the nearest one.
    """
    if name not in CRITERIA:
        raise BadInput(f"unknown criteria '{name}': {nearest(name, list(CRITERIA))}")
    return CRITERIA[name]


@dataclass(frozen=True)
class Assessment:
    """Rating of one day, with the sizes that it rests on.

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


def baseline_of(days: Sequence[int], end_of_radiotherapy: int, rules: Criteria) -> int | None:
    """Return the day of the baseline, or None where no day can serve as one.

    Args:
        days: imaging days from the start of radiotherapy.
        end_of_radiotherapy: day of the last fraction.
        rules: criteria; they say whether the baseline is the first day after radiotherapy, or the
            last day before it.

    Example:
        >>> baseline_of([-5, 60, 150], 42, CRITERIA["rano-2.0"])
        60
    """
    if rules.after_radiotherapy:
        return min((d for d in days if d > end_of_radiotherapy), default=None)
    return max((d for d in days if d <= 0), default=None)


def assess(days: Sequence[Burden], end_of_radiotherapy: int, rules: Criteria) -> list[Assessment]:
    """Rate every day in order, by the first rule that applies.

    PD: a new measurable lesion, growth of at least ``growth`` above the nadir, measurable disease
    after a nadir of 0, or growth of the whole abnormality by ``flair_growth``. CR: no lesion. PR: a
    change from baseline of at most ``partial``. SD: otherwise. PD soon after radiotherapy stays
    unconfirmed until a later scan confirms or rejects it, which changes the earlier rating. CR and
    PR need no confirmation after four weeks.

    Args:
        days: burden of each day, in ascending order of days.
        end_of_radiotherapy: day of the last fraction.
        rules: criteria.

    Returns:
        One assessment for each day, in the same order.

    Example:
        >>> days = [Burden(60, 10.0), Burden(150, 3.0), Burden(250, 4.3)]
        >>> [str(a.rating) for a in assess(days, 42, CRITERIA["rano-2.0-volume"])]
        ['baseline', 'PR', 'PD']
    """
    start = baseline_of([b.day for b in days], end_of_radiotherapy, rules)
    if start is None:
        return [Assessment(b, Rating.BEFORE, why="no day to serve as baseline") for b in days]
    baseline = next(b for b in days if b.day == start)
    found, nadir, flair = list[Assessment](), baseline.size, baseline.flair
    for burden in days:
        if burden.day < baseline.day:
            found.append(Assessment(burden, Rating.BEFORE, why="before the baseline"))
        elif burden is baseline:
            why = (
                "first day after radiotherapy"
                if rules.after_radiotherapy
                else ("last day before radiotherapy")
            )
            found.append(Assessment(burden, Rating.BASELINE, burden.size, nadir, why=why))
        else:
            rated = _rated(burden, baseline, nadir, flair, rules)
            if rated.rating is Rating.PD:
                unsure = burden.day <= end_of_radiotherapy + rules.unsure_days
                rated = _confirmed(found, rated, rules) if unsure else rated
            found = _resolved(found, rated, rules)
            nadir = min(nadir, burden.size)
            flair = burden.flair if flair is None else min(flair, burden.flair or flair)
    return found


def _rated(
    burden: Burden, baseline: Burden, nadir: float, flair: float | None, rules: Criteria
) -> Assessment:
    grown, shrunk = _change(burden.size, nadir), _change(burden.size, baseline.size)
    rating, why = Rating.SD, "neither PR nor PD"
    spread = _change(burden.flair, flair)
    if burden.new:
        rating, why = Rating.PD, "a new measurable lesion"
    elif grown is not None and grown >= rules.growth:
        rating, why = Rating.PD, f"{grown:+.0%} from the nadir (PD from {rules.growth:+.0%})"
    elif nadir == 0 and burden.size > 0:
        rating, why = Rating.PD, "measurable again after none was"
    elif rules.flair_growth is not None and spread is not None and spread >= rules.flair_growth:
        rating, why = Rating.PD, f"{spread:+.0%} of the abnormality that does not enhance"
    elif not burden.rest:
        rating, why = Rating.CR, "no lesion is left"
    elif shrunk is not None and shrunk <= rules.partial:
        rating, why = Rating.PR, f"{shrunk:+.0%} from baseline (PR from {rules.partial:+.0%})"
    return Assessment(burden, rating, baseline.size, nadir, shrunk, grown, why)


def _change(size: float | None, reference: float | None) -> float | None:
    if size is None or not reference:
        return None
    # Rounding lets a change that equals a threshold in exact arithmetic reach it.
    return round(size / reference - 1, 9)


def _confirmed(found: list[Assessment], rated: Assessment, rules: Criteria) -> Assessment:
    """Rate early PD as unconfirmed, unless it confirms an earlier unconfirmed PD."""
    waiting = [a for a in found if a.rating is Rating.UNCONFIRMED]
    if waiting and rated.burden.day - waiting[0].burden.day >= rules.look_days:
        return rated
    why = f"{rated.why}; too soon after radiotherapy to tell, look again"
    return replace(rated, rating=Rating.UNCONFIRMED, why=why)


def _resolved(found: list[Assessment], rated: Assessment, rules: Criteria) -> list[Assessment]:
    """Confirm or reject earlier unconfirmed PD by a scan that is late enough."""
    late = [
        a
        for a in found
        if a.rating is Rating.UNCONFIRMED and rated.burden.day - a.burden.day >= rules.look_days
    ]
    if not late:
        return [*found, rated]
    confirmed = rated.rating is Rating.PD
    verdict = Rating.PD if confirmed else Rating.NOT_PD
    word = "confirmed" if confirmed else "not confirmed"
    note = f"; {word} on day {rated.burden.day}"
    resolved = [replace(a, rating=verdict, why=a.why + note) if a in late else a for a in found]
    return [*resolved, rated]


def progression(found: Sequence[Assessment], death: float | None = None) -> Progression | None:
    """Return the time to the first confirmed PD or to death, whichever is earlier.

    Args:
        found: assessments in order of days.
        death: day of death from the start of radiotherapy; None where the patient is not known to
            have died.

    Returns:
        The time; without an event it is censored at the last imaging day. None without an event and
        without imaging after the baseline.

    Example:
        >>> days = [Burden(60, 10.0), Burden(250, 15.0)]
        >>> progression(assess(days, 42, CRITERIA["rano-2.0-volume"]))
        Progression(days=250, progressed=True)
    """
    looks = [a.burden.day for a in found if a.rating not in (Rating.BEFORE, Rating.BASELINE)]
    events = [a.burden.day for a in found if a.rating is Rating.PD]
    if death is not None:
        events.append(int(death))
    if events:
        return Progression(min(events), True)
    return Progression(looks[-1], False) if looks else None
