"""Response Assessment in Neuro-Oncology: a rating of every day, and why.

RANO 2010: Wen 2010, doi:10.1200/JCO.2009.26.3541. RANO 2.0: Wen 2023, doi:10.1200/JCO.23.01059.
Steroids and clinical state are not known here and do not count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from flame.core.errors import BadInput
from flame.core.registry import nearest


class Rating(StrEnum):
    """What is said of a day."""

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
    """The tumour of one ``day`` from the start of radiotherapy.

    ``size`` is what the criteria measure (ml or mm²) of target lesions, ``rest`` says that there is
    any lesion at all, ``new`` that a measurable one is where there was none at baseline, and
    ``flair`` is the volume of the whole abnormality in ml or None.
    """

    day: int
    size: float
    rest: bool = True
    new: bool = False
    flair: float | None = None


@dataclass(frozen=True)
class Criteria:
    """Thresholds are shares of the size at baseline (``partial``) and at the nadir (``growth``).

    The first day after radiotherapy is the baseline, or the last one before it. PD within
    ``unsure_days`` after radiotherapy needs a second look ``look_days`` later or more, still above
    the threshold. Up to ``targets`` lesions count. ``flair_growth`` of the whole abnormality is
    PD too, None where it does not count: RANO 2010 names no number.
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


def criteria_named(name: str) -> Criteria:
    """The criteria, or BadInput that names the nearest."""
    if name not in CRITERIA:
        raise BadInput(f"unknown criteria '{name}': {nearest(name, list(CRITERIA))}")
    return CRITERIA[name]


@dataclass(frozen=True)
class Assessment:
    """The rating of one day with what it rests on; ``why`` is the rule in words.

    Changes are shares of the size at baseline and at the nadir, None where those are 0.
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
    """Days to the first confirmed PD, or to the last look where there was none."""

    days: int
    progressed: bool


def baseline_of(days: Sequence[int], end_of_radiotherapy: int, rules: Criteria) -> int | None:
    """The day of the baseline: the first after radiotherapy, or the last before it began."""
    if rules.after_radiotherapy:
        return min((d for d in days if d > end_of_radiotherapy), default=None)
    return max((d for d in days if d <= 0), default=None)


def assess(days: Sequence[Burden], end_of_radiotherapy: int, rules: Criteria) -> list[Assessment]:
    """A rating of every day, in order; PD that a later look confirms or not is rated then.

    CR and PR are as seen on their day: whether they hold for four weeks is not asked.
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
    # A threshold met to the last bit is met.
    return round(size / reference - 1, 9)


def _confirmed(found: list[Assessment], rated: Assessment, rules: Criteria) -> Assessment:
    """PD soon after radiotherapy: unconfirmed, unless an earlier unconfirmed one waits for it."""
    waiting = [a for a in found if a.rating is Rating.UNCONFIRMED]
    if waiting and rated.burden.day - waiting[0].burden.day >= rules.look_days:
        return rated
    why = f"{rated.why}; too soon after radiotherapy to tell, look again"
    return replace(rated, rating=Rating.UNCONFIRMED, why=why)


def _resolved(found: list[Assessment], rated: Assessment, rules: Criteria) -> list[Assessment]:
    """Earlier unconfirmed PD becomes PD, or not, by a look that is late enough."""
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
    """Time to the first confirmed PD or to ``death``; None where nothing is known after baseline.

    Without either it is censored at the last day looked at.
    """
    looks = [a.burden.day for a in found if a.rating not in (Rating.BEFORE, Rating.BASELINE)]
    events = [a.burden.day for a in found if a.rating is Rating.PD]
    if death is not None:
        events.append(int(death))
    if events:
        return Progression(min(events), True)
    return Progression(looks[-1], False) if looks else None
