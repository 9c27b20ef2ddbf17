"""Ratings of made-up courses, each worked out by hand from the published rules."""

import pytest

from flame.core.errors import BadInput
from flame.models.clinical.rano import (
    CRITERIA,
    Burden,
    Progression,
    Rating,
    assess,
    criteria_named,
    progression,
)

VOLUME, PRODUCT, OLD = (CRITERIA[n] for n in ("rano-2.0-volume", "rano-2.0", "rano-2010"))
END = 42


def course(*sizes: tuple[int, float]) -> list[Burden]:
    return [Burden(day, size, rest=size > 0) for day, size in sizes]


GOLDEN = [
    # 10 ml at baseline: 3.5 is exactly -65 %, 3.6 is not; the nadir is 3.5, 4.9 is +40 %.
    (VOLUME, [(70, 10), (150, 3.5), (210, 4.8), (270, 4.9)], ["baseline", "PR", "SD", "PD"]),
    (VOLUME, [(70, 10), (150, 3.6)], ["baseline", "SD"]),
    # Products: -50 % and +25 %.
    (PRODUCT, [(70, 400), (150, 200), (210, 249), (270, 250)], ["baseline", "PR", "SD", "PD"]),
    # Nothing left, then measurable again.
    (VOLUME, [(70, 10), (150, 0), (210, 1)], ["baseline", "CR", "PD"]),
    # Within 12 weeks of the end on day 42 (until day 126): needs a look 28 days later.
    (VOLUME, [(50, 10), (110, 15), (140, 16)], ["baseline", "PD", "PD"]),
    (VOLUME, [(50, 10), (110, 15), (140, 11)], ["baseline", "unconfirmed PD, not confirmed", "SD"]),
    (VOLUME, [(50, 10), (110, 15)], ["baseline", "unconfirmed PD"]),
    (VOLUME, [(50, 10), (100, 15), (120, 16)], ["baseline", "unconfirmed PD", "unconfirmed PD"]),
    (VOLUME, [(50, 10), (100, 15), (120, 16), (150, 17)], ["baseline", "PD", "PD", "PD"]),
    # Beyond 12 weeks PD stands at once.
    (VOLUME, [(50, 10), (127, 15)], ["baseline", "PD"]),
    # Days before the baseline are not rated; RANO 2010 starts before radiotherapy.
    (VOLUME, [(-3, 30), (50, 10), (150, 10)], ["before baseline", "baseline", "SD"]),
    (OLD, [(-3, 400), (50, 190), (150, 400)], ["baseline", "PR", "PD"]),
    # A scan during radiotherapy is no baseline: 900 on day 21 is not what 1000 is compared with.
    (OLD, [(-5, 400), (21, 400), (160, 1000)], ["baseline", "SD", "PD"]),
]


@pytest.mark.parametrize(("rules", "sizes", "expected"), GOLDEN)
def test_golden_courses(rules: object, sizes: list, expected: list[str]) -> None:
    found = assess(course(*sizes), END, rules)  # type: ignore[arg-type]
    assert [str(a.rating) for a in found] == expected
    assert all(a.why for a in found)


def test_every_rating_explains_itself() -> None:
    first, second, third = assess(course((50, 10), (110, 15), (140, 16)), END, VOLUME)
    assert first.why == "first day after radiotherapy"
    assert (second.baseline, second.nadir, second.from_nadir) == (10, 10, 0.5)
    assert second.why == (
        "+50% from the nadir (PD from +40%); PD this soon after radiotherapy needs a confirming "
        "scan; confirmed on day 140"
    )
    assert third.why == "+60% from the nadir (PD from +40%)"


def test_a_new_lesion_is_progression_even_where_the_rest_shrinks() -> None:
    days = [Burden(70, 10), Burden(200, 2, new=True)]
    assert assess(days, END, VOLUME)[1].rating is Rating.PD
    assert assess(days, END, VOLUME)[1].why == "a new measurable lesion"


def test_what_does_not_enhance_counts_in_2010_only() -> None:
    days = [Burden(-5, 400, flair=50), Burden(70, 400, flair=50), Burden(200, 400, flair=70)]
    assert assess(days, END, OLD)[2].rating is Rating.PD
    assert assess(days, END, PRODUCT)[2].rating is Rating.SD


def test_no_day_after_radiotherapy() -> None:
    (only,) = assess(course((-3, 10)), END, VOLUME)
    assert (only.rating, only.why) == (Rating.BEFORE, "no day to serve as baseline")
    assert progression([only]) is None


@pytest.mark.parametrize(
    ("sizes", "death", "expected"),
    [
        ([(50, 10), (110, 15), (140, 16)], None, Progression(110, True)),  # the first PD
        ([(50, 10), (110, 15), (140, 11)], None, Progression(140, False)),
        ([(50, 10), (150, 10)], 300.0, Progression(300, True)),
        ([(50, 10), (150, 20)], 300.0, Progression(150, True)),
        ([(50, 10), (110, 15)], None, Progression(110, False)),  # unconfirmed is no event
        ([(-3, 10), (50, 10)], None, None),  # nothing was seen after the baseline
        ([(-3, 10)], 100.0, Progression(100, True)),  # nobody looked, and the patient died
    ],
)
def test_progression_free_survival(sizes: list, death: float | None, expected: Progression) -> None:
    assert progression(assess(course(*sizes), END, VOLUME), death) == expected


def test_unknown_criteria() -> None:
    with pytest.raises(BadInput, match="rano-2010"):
        criteria_named("rano2010")
