"""A second world for forecasts, of single cells: it shares no equation of growth with the models.

Cells divide or wander (go or grow), by the oxygen around them. They move along white matter by
chance, die of hypoxia, are killed by radiation and temozolomide, and are cleared later. Surgery
leaves a cavity, steroids hide enhancement, and dying cells leak contrast (pseudoprogression), as
injured tissue does later (``flame.simulation.radionecrosis``). What a hospital sees is drawn by
readers with a bias of their own on slices of 6.5 mm, at days that differ from those planned. This
module imports nothing of ``flame.models``. Like every account of fractionation it kills by the
linear-quadratic model, with parameters of its own.

All numbers were set before any model was run on it. Rates of division and spread: Harpold 2007
(J Neuropathol Exp Neurol 66:1), doubling of untreated tumours: Stensjoen 2015
(10.1093/neuonc/nov029). Radiosensitivity 0.06 per Gy and alpha/beta 10 Gy: Qi 2006 (Int J Radiat
Oncol Biol Phys 64:1570). Hypoxic cells need more dose, by 2.5 for photons and protons and by 1.5
for carbon ions: Wouters and Brown 1997 (Radiat Res 147:541), Furusawa 2000 (Radiat Res 154:485).
RBE of protons 1 + 0.10 LETd (arXiv:2604.10174). Pseudoprogression in about a quarter of patients:
Brandsma 2008 (10.1016/S1470-2045(08)70125-6). The effect of temozolomide, steroids, surgery and
readers are assumptions.
"""

from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from flame.core.treatment import Radiation

Volume = NDArray[np.float64]
Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]

SPACING = 3.0
"""Side of a voxel in mm."""
CAPACITY = 2000
"""Groups of cells that fill a voxel."""
SEEN = 0.35
"""Share of a voxel that living, dying and dead cells fill, from which on contrast shows it."""
STEPS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
"""Directions in which a cell moves."""
FRACTIONS, GY = 30, 2.0
"""Every course has the same fractions of the same RBE-weighted dose, from day 0 on."""
LET = {Radiation.PROTON: 2.5}
"""Dose-averaged LET of protons in the target in keV/um."""
CARBON = 1.08
"""True over recorded effect of a dose of carbon ions in well-oxygenated cells."""
OXYGEN_ENHANCEMENT = {Radiation.PHOTON: 2.5, Radiation.PROTON: 2.5, Radiation.CARBON: 1.5}


@dataclass
class Tumour:
    """The state of a tumour on a grid (x, y, z), in groups of cells.

    Args:
        growing: cells that divide.
        moving: cells that wander.
        doomed: cells that radiation or temozolomide has killed and that are still there.
        dead: necrosis.
        leak: leakiness of vessels by recent cell death, 0 to 1.
    """

    growing: Counts
    moving: Counts
    doomed: Counts
    dead: Counts
    leak: Volume

    @property
    def filled(self) -> Volume:
        """Share of each voxel that cells fill."""
        cells = self.growing + self.moving + self.doomed + self.dead
        return np.asarray(cells / CAPACITY, float)


@dataclass(frozen=True)
class Person:
    """What is of one patient's own.

    Args:
        division: divisions per cell and day with oxygen and space.
        spread: mean squared displacement of a wandering cell in white matter, in mm2 per day: six
            times a diffusion coefficient, of which 0.001 to 0.3 mm2 per day are known.
        alpha: radiosensitivity in 1/Gy.
        temozolomide: share of growing cells that a day of temozolomide kills.
        clearance: share of dead cells that is cleared in a day.
        leaks: how strongly dying cells leak contrast; 0 for most patients.
        steroids: threshold of visibility is multiplied by this after the baseline.
        bias: factor on a reader's threshold, for each day of imaging.
    """

    division: float
    spread: float
    alpha: float
    temozolomide: float
    clearance: float
    leaks: float
    steroids: float
    methylated: bool
    bias: tuple[float, ...] = field(default=())


def person(rng: np.random.Generator, days: int) -> Person:
    """Draw a patient.

    Args:
        rng: random numbers of the patient.
        days: number of imaging days.

    Returns:
        The patient.
    """
    methylated = bool(rng.random() < 0.4)
    return Person(
        float(np.exp(rng.normal(np.log(0.06), 0.4))),
        float(np.exp(rng.normal(np.log(0.9), 0.6))),
        float(np.clip(rng.normal(0.06, 0.02), 0.015, 0.12)),
        0.02 if methylated else 0.006,
        float(np.log(2) / rng.uniform(30, 120)),
        float(rng.uniform(0.3, 0.8)) if rng.random() < 0.25 else 0.0,
        float(rng.choice([1.0, 1.15])),
        methylated,
        tuple(np.exp(rng.normal(0, 0.12, days))),
    )


class Brain:
    """Where cells may go: tissue, fibres and space on a grid (x, y, z).

    Args:
        white: fraction of white matter (x, y, z).
        grey: fraction of grey matter (x, y, z).
        rng: draws the directions of the fibres.
    """

    def __init__(self, white: Volume, grey: Volume, rng: np.random.Generator) -> None:
        self.tissue = np.clip(white + grey, 0, 1)
        self.space = np.where(self.tissue > 0.3, CAPACITY, 0)
        self.white = white
        field = np.stack([gaussian_filter(rng.normal(size=white.shape), 3) for _ in range(3)])
        fibre = field / (np.linalg.norm(field, axis=0) + 1e-9)
        along = np.abs(np.einsum("ka,axyz->kxyz", STEPS, fibre)) ** 2
        # Ten times faster along a fibre of white matter than across it, and slow in grey matter.
        pull = white[None] * (0.1 + 0.9 * along) + 0.1 * (1 - white[None])
        self.pull = pull * np.stack([_moved(self.space > 0, step) for step in STEPS])

    def part(self, box: tuple[slice, ...]) -> "Brain":
        """Return a box of the brain."""
        part = copy(self)
        part.space, part.white, part.tissue = self.space[box], self.white[box], self.tissue[box]
        part.pull = self.pull[(slice(None), *box)]
        return part

    def cut(self, cavity: Mask) -> None:
        """Take the space of a surgical cavity away."""
        self.space = np.where(cavity, 0, self.space)
        self.pull = self.pull * np.stack([_moved(self.space > 0, step) for step in STEPS])


def _moved(values: NDArray[Any], step: NDArray[np.int_]) -> NDArray[Any]:
    """Return what lies one step ahead of each voxel; nothing lies outside the grid."""
    moved = np.zeros_like(values)
    to = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(step, values.shape, strict=True))
    source = tuple(
        slice(max(s, 0), n - max(-s, 0)) for s, n in zip(step, values.shape, strict=True)
    )
    moved[to] = values[source]
    return moved


def seeded(brain: Brain, place: tuple[int, int, int]) -> Tumour:
    """Put a first colony of cells into a brain.

    Args:
        brain: the brain.
        place: voxel of the colony.

    Returns:
        The tumour.
    """
    none = np.zeros(brain.white.shape, np.int64)
    growing = none.copy()
    growing[place] = CAPACITY // 2
    return Tumour(growing, none.copy(), none.copy(), none.copy(), none.astype(float))


def day(
    tumour: Tumour,
    brain: Brain,
    who: Person,
    rng: np.random.Generator,
    killing: Volume | None = None,
    temozolomide: bool = False,
) -> None:
    """Let a tumour live for a day.

    Args:
        tumour: state, which changes.
        brain: where cells may go.
        who: the patient.
        rng: chance.
        killing: effect of radiation, as minus the log survival of oxygenated cells (x, y, z);
            None: no fraction on this day.
        temozolomide: whether temozolomide is taken.
    """
    box = _around(tumour)
    part = Tumour(*(values[box] for values in vars(tumour).values()))
    effect = None if killing is None else killing[box]
    _live(part, brain.part(box), who, rng, effect, temozolomide)
    for name, values in vars(part).items():
        getattr(tumour, name)[box] = values


def _around(tumour: Tumour) -> tuple[slice, ...]:
    """Return the box around all cells, with room to move."""
    there = tumour.filled > 0
    box = []
    for axis, size in enumerate(there.shape):
        found = np.flatnonzero(there.any(axis=tuple({0, 1, 2} - {axis})))
        low, high = (found[0], found[-1]) if len(found) else (0, 0)
        box.append(slice(max(int(low) - 3, 0), min(int(high) + 4, size)))
    return tuple(box)


def _live(
    tumour: Tumour,
    brain: "Brain",
    who: Person,
    rng: np.random.Generator,
    killing: Volume | None,
    temozolomide: bool,
) -> None:
    crowd = gaussian_filter(tumour.filled, 1.2)
    oxygen = np.clip(1.15 - 1.3 * crowd, 0, 1)
    free = np.clip(1 - tumour.filled, 0, 1) * (brain.space > 0)
    if killing is not None:
        _irradiate(tumour, killing, rng)
    if temozolomide:
        _kill(tumour, "growing", np.full(crowd.shape, who.temozolomide), rng)
    births = rng.binomial(tumour.growing, who.division * free * oxygen / (oxygen + 0.2))
    starved = rng.binomial(tumour.growing, 0.08 * (oxygen < 0.12))
    pressed = np.maximum(1 - oxygen, tumour.filled**2)
    flee = rng.binomial(tumour.growing - starved, np.clip(0.02 + 0.15 * pressed, 0, 0.5))
    settle = rng.binomial(tumour.moving, 0.12 * oxygen)
    dying = rng.binomial(tumour.doomed, 0.07)
    cleared = rng.binomial(tumour.dead, who.clearance)
    tumour.growing += births - starved - flee + settle
    tumour.moving += flee - settle
    tumour.doomed -= dying
    tumour.dead += starved + dying - cleared
    tumour.leak = np.maximum(
        0.97 * tumour.leak, who.leaks * gaussian_filter(dying / CAPACITY, 1) * 12
    )
    _wander(tumour, brain, who, rng)


def _wander(tumour: Tumour, brain: Brain, who: Person, rng: np.random.Generator) -> None:
    # Steps in six directions with chance p each move a cell by 6 p SPACING^2 in the square, and the
    # mean of pull over directions is 0.4 in white matter.
    leaving = who.spread / (6 * SPACING**2) / 0.4
    for direction in rng.permutation(len(STEPS)):
        ahead = np.clip(1 - _moved(tumour.filled, STEPS[direction]), 0, 1)
        chance = np.clip(leaving * brain.pull[direction] * ahead, 0, 0.5)
        gone = rng.binomial(tumour.moving, chance)
        tumour.moving = tumour.moving - gone + _moved(gone, -STEPS[direction])


def _irradiate(tumour: Tumour, killing: Volume, rng: np.random.Generator) -> None:
    for name in ("growing", "moving"):
        _kill(tumour, name, 1 - np.exp(-killing), rng)


def _kill(tumour: Tumour, name: str, chance: Volume, rng: np.random.Generator) -> None:
    cells = getattr(tumour, name)
    killed = rng.binomial(cells, np.clip(chance, 0, 1))
    setattr(tumour, name, cells - killed)
    tumour.doomed = tumour.doomed + killed


def killing(tumour: Tumour, dose: Volume, radiation: Radiation, alpha: float) -> Volume:
    """Return the effect of one fraction.

    Args:
        tumour: the tumour, whose crowding makes hypoxia.
        dose: recorded RBE-weighted dose (x, y, z) of the fraction in Gy.
        radiation: the radiation.
        alpha: radiosensitivity in 1/Gy.

    Returns:
        Minus the log survival (x, y, z).
    """
    effective = dose * true_over_recorded(radiation)
    hypoxia = np.clip(gaussian_filter(tumour.filled, 1.2) - 0.4, 0, 0.6) / 0.6
    needed = 1 + (OXYGEN_ENHANCEMENT[radiation] - 1) * hypoxia
    effective = effective / needed
    return np.asarray(alpha * (effective + effective**2 / 10.0))


def true_over_recorded(radiation: Radiation) -> float:
    """Return the true over the recorded effect of a dose in well-oxygenated tissue."""
    true = {Radiation.PROTON: (1 + 0.10 * LET[Radiation.PROTON]) / 1.1, Radiation.CARBON: CARBON}
    return true.get(radiation, 1.0)


def dose_of(target: Mask, radiation: Radiation) -> Volume:
    """Return the recorded RBE-weighted dose of a whole course.

    Args:
        target: gross tumour volume (x, y, z) that is planned on.
        radiation: the radiation; ions fall off faster.

    Returns:
        Dose (x, y, z) in Gy.
    """
    distance = distance_transform_edt(~target) * SPACING
    fall = 5.0 if radiation is Radiation.PHOTON else 3.0
    return np.asarray(FRACTIONS * GY / (1 + np.exp((distance - 18.0) / fall)))


def seen(tumour: Tumour, who: Person, reader: int, rng: np.random.Generator) -> Mask:
    """Draw the tumour as a reader does.

    Args:
        tumour: the tumour.
        who: the patient.
        reader: number of the imaging day, which has its reader; after the first two the patient may
            have steroids.
        rng: where the slices of 6.5 mm lie.

    Returns:
        Contour (x, y, z).
    """
    shown = np.maximum(tumour.filled, np.minimum(tumour.leak, 1.0))
    shown = _pushed(gaussian_filter(shown, 0.5), tumour.filled)
    low = rng.uniform(0, 6.5)
    slices = ((np.arange(shown.shape[2]) * SPACING + low) // 6.5).astype(int)
    for number in np.unique(slices):
        shown[..., slices == number] = shown[..., slices == number].mean(axis=2, keepdims=True)
    level = SEEN * who.bias[reader] * (who.steroids if reader > 1 else 1.0)
    return np.asarray(shown > level)


def _pushed(shown: Volume, filled: Volume) -> Volume:
    """Deform what is shown by the mass of the tumour: tissue gives way, most at its edge."""
    mass = gaussian_filter(filled, 4)
    push = np.stack(np.gradient(mass)) * 6.0  # voxels
    return np.asarray(map_coordinates(shown, np.indices(shown.shape) + push, order=1))
