"""Patients of the world of single cells: imaging, surgery, radiotherapy and follow-up."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray
from scipy.ndimage import label

from flame.core.treatment import Radiation
from flame.simulation import cells, radionecrosis

NOMINAL = (-40, -10, 45, 90, 165)
"""Planned days of imaging, from the start of radiotherapy: two before it, of which the second is
the baseline."""
SIDE = 40
"""Voxels along each side of the cube that is simulated."""
_LEAST_ML = 4.0
"""Volume in ml that is seen when a patient comes to the hospital."""
_LONGEST = 900
"""Days after which a tumour that is still not seen is drawn anew."""


@dataclass(frozen=True, eq=False)
class CellPatient:
    """What a hospital knows of a patient, and what it would under other radiations.

    Args:
        name: name of the patient.
        days: days of imaging.
        before: contours (x, y, z) of the first two days.
        later: contours of the other days, by radiation.
        dose: recorded dose (x, y, z) of the course in Gy, by radiation.
        white: white matter (x, y, z), 0 to 1.
        grey: grey matter (x, y, z), 0 to 1.
        given: radiation that the patient received.
        methylated: whether the MGMT promoter is methylated.
    """

    name: str
    days: tuple[int, ...]
    before: tuple[NDArray[np.bool_], ...]
    later: dict[Radiation, tuple[NDArray[np.bool_], ...]]
    dose: dict[Radiation, NDArray[np.float64]]
    white: NDArray[np.float64]
    grey: NDArray[np.float64]
    given: Radiation
    methylated: bool


@cache
def _template() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return white and grey matter of MNI152 on voxels of the world."""
    load = {
        name: getattr(datasets, f"load_mni152_{name}_template")(resolution=int(cells.SPACING))
        for name in ("wm", "gm")
    }
    return tuple(np.asarray(image.get_fdata(), float) for image in load.values())  # type: ignore[return-value]


def cell_patient(seed: int, number: int, every: bool) -> CellPatient:
    """Simulate a patient; equal arguments give equal patients.

    Args:
        seed: seed of the cohort.
        number: number of the patient, which decides the radiation received in turn.
        every: whether the patient is also followed under the radiations not received.

    Returns:
        The patient.
    """
    rng = np.random.default_rng([seed, number, 41])
    given = list(Radiation)[number % 3]
    while True:
        who = cells.person(rng, len(NOMINAL))
        brain = _brain(rng)
        tumour = cells.seeded(brain, (SIDE // 2,) * 3)
        if _grown(tumour, brain, who, rng):
            break
    shift = rng.integers(-5, 6, len(NOMINAL))
    days = tuple(int(d + s) for d, s in zip(NOMINAL, shift, strict=True))
    first = cells.seen(tumour, who, 0, rng)
    _live(tumour, brain, who, rng, (days[1] - days[0]) // 2)
    if rng.random() < 0.5:
        _operate(tumour, brain, cells.seen(tumour, who, 0, rng), rng)
    _live(tumour, brain, who, rng, (days[1] - days[0]) - (days[1] - days[0]) // 2)
    baseline = cells.seen(tumour, who, 1, rng)
    if baseline.sum() * cells.SPACING**3 < 1000:  # nothing is left to plan on
        return cell_patient(seed, number + 300, every)
    later, dose = {}, {}
    course = int(rng.integers(2**31))
    tissue = np.where(brain.space > 0, brain.tissue, 0.0)  # none is left in a cavity
    bears = radionecrosis.tolerance(tissue, np.random.default_rng([seed, number, 43]))
    for radiation in Radiation if every else (given,):
        dose[radiation] = cells.dose_of(baseline, radiation)
        chance = np.random.default_rng(course)
        course_of = (days, dose[radiation], radiation, bears)
        later[radiation] = _followed(tumour, brain, who, *course_of, chance)
    return CellPatient(
        f"cells-{seed}-{number}",
        days,
        (first, baseline),
        later,
        dose,
        brain.white,
        brain.tissue - brain.white,
        given,
        who.methylated,
    )


def _brain(rng: np.random.Generator) -> cells.Brain:
    """Cut a cube around a place in white matter out of the template."""
    white, grey = _template()
    half = SIDE // 2
    inside = white[half:-half, half:-half, half:-half] > 0.6
    places = np.argwhere(inside)
    corner = places[rng.integers(len(places))]
    box = tuple(slice(c, c + SIDE) for c in corner)
    return cells.Brain(white[box], grey[box], rng)


def _live(
    tumour: cells.Tumour, brain: cells.Brain, who: cells.Person, rng: np.random.Generator, days: int
) -> None:
    for _ in range(days):
        cells.day(tumour, brain, who, rng)


def _grown(
    tumour: cells.Tumour, brain: cells.Brain, who: cells.Person, rng: np.random.Generator
) -> bool:
    """Let a tumour grow until it is seen; False if that takes too long."""
    wanted = rng.uniform(_LEAST_ML, 30) * 1000 / cells.SPACING**3
    for _ in range(_LONGEST):
        cells.day(tumour, brain, who, rng)
        if (tumour.filled > cells.SEEN).sum() >= wanted:
            return True
    return False


def _operate(
    tumour: cells.Tumour, brain: cells.Brain, seen: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Remove a part of what is seen, from one side; a cavity without cells stays."""
    towards = rng.normal(size=3)
    places = np.argwhere(seen)
    if len(places) < 20:
        return
    depth = places @ towards
    share = rng.uniform(0.3, 0.8)
    cut = np.zeros(seen.shape, bool)
    cut[tuple(places[depth <= np.quantile(depth, share)].T)] = True
    parts, count = label(cut)
    if count > 1:
        cut = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    for name in ("growing", "moving", "doomed", "dead"):
        getattr(tumour, name)[cut] = 0
    brain.cut(cut)


def _followed(
    start: cells.Tumour,
    brain: cells.Brain,
    who: cells.Person,
    days: tuple[int, ...],
    dose: NDArray[np.float64],
    radiation: Radiation,
    bears: radionecrosis.Tolerance,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], ...]:
    """Treat a tumour and return its contours on the days after the baseline."""
    tumour = cells.Tumour(*(np.array(v) for v in vars(start).values()))
    injured = radionecrosis.injured(bears, tumour, dose, radiation)
    fractions = {n // 5 * 7 + n % 5 for n in range(cells.FRACTIONS)}
    contours = []
    for now in range(days[1], days[-1]):
        effect = None
        if now in fractions:
            effect = cells.killing(tumour, dose / cells.FRACTIONS, radiation, who.alpha)
        temozolomide = 0 <= now < 42 or (now > 70 and now % 28 < 5)
        cells.day(tumour, brain, who, rng, effect, temozolomide)
        tumour.leak = np.maximum(tumour.leak, bears.leak(injured, now))
        if now + 1 in days[2:]:
            contours.append(cells.seen(tumour, who, days.index(now + 1), rng))
    return tuple(contours)
