"""Disease of a simulated patient: growth, radiotherapy, and the true state on each day."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, distance_transform_edt, gaussian_filter, map_coordinates

from flame.core.treatment import Radiation, Treatment, fraction_days
from flame.physics.growth import Growth, diffusivity, grow
from flame.physics.radiobiology import surviving_fraction, weighted_dose
from flame.simulation.anatomy import SPACING, TISSUES, Head
from flame.simulation.chemotherapy import cycles
from flame.simulation.world import WORLDS, World

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
NECROTIC_CORE = 1
"""Label of the necrotic core in a map of ``labels``."""
OEDEMA_LABEL = 2
"""Label of oedema in a map of ``labels``."""
ENHANCING_LABEL = 3
"""Label of enhancing tumour in a map of ``labels``."""
LETHAL_ML = 130.0
"""Volume in ml of visible tumour at which a patient dies, before a random factor of 0.7 to 1.3."""
PROGRESSION = 1.4
"""Ratio of volume to baseline volume from which RANO 2.0 rates PD: +40 %."""
PARTIAL_RESPONSE = 0.35
"""Ratio of volume to baseline volume up to which RANO 2.0 rates PR: -65 %."""
RESPONSE_DAY = 165
"""Day of the response assessment, counted from the start of radiotherapy."""
PSEUDOPROGRESSION = {True: 0.58, False: 0.16}
"""Share of patients with pseudoprogression after 60 Gy, with and without a methylated MGMT promoter
(Brandes 2008, doi:10.1200/JCO.2007.15.8998: 21 of 36, and 11 of 67). The share rises with the dose.
"""
_REACTION_DAYS = (40, 75, 150)
"""Days on which a reaction to the dose begins, is strongest, and is over."""
_REACTION_MM = 6.0
"""Distance in mm from the tumour over which it falls by a factor of e."""
PENUMBRA_MM = {Radiation.PHOTON: 9.0, Radiation.PROTON: 5.0, Radiation.CARBON: 3.0}
"""Distance in mm outside the target over which the dose falls by a factor of e."""


@dataclass(frozen=True, eq=False)
class Course:
    """True course of one patient.

    Args:
        densities: live and dead cell density (x, y, z) on the anatomical grid, 0 to 1, by day
            counted from the start of radiotherapy.
        dose: RBE-weighted dose (x, y, z) in Gy.
        treatment: course of radiotherapy.
        volumes: enhancing volume in ml by day, including the necrotic core.
        rano: response at ``RESPONSE_DAY``: PD, SD or PR.
        methylated: whether the MGMT promoter is methylated.
        survival_days: days from the start of radiotherapy to death.
        pseudoprogression: whether a passing reaction to the dose looks like growth.
        corner: first voxel of the head that the densities show.
    """

    densities: dict[int, tuple[Volume, Volume]]
    dose: Volume
    treatment: Treatment
    volumes: dict[int, float]
    rano: str
    methylated: bool
    survival_days: int
    pseudoprogression: bool = False
    corner: tuple[int, int, int] = (0, 0, 0)


def visible(live: Volume, dead: Volume, world: World) -> Volume:
    """Compute the cell density that imaging shows.

    It is the sum of live and dead cells, shifted outward by the mass effect.

    Args:
        live: density of live cells (x, y, z), 0 to 1.
        dead: density of dead cells (x, y, z), 0 to 1.
        world: simulated world.

    Returns:
        Density (x, y, z), 0 to 1.
    """
    density = np.asarray(np.clip(live + dead, 0, 1), np.float32)
    core = density > world.thresholds[1]
    if not world.mass_effect_mm or not core.any():
        return density
    radius = (3 * core.sum() / (4 * np.pi)) ** (1 / 3) * SPACING
    reference = (3 * 30_000 / (4 * np.pi)) ** (1 / 3)  # mm, of a ball of 30 ml
    centre = np.array(center_of_mass(core))[:, None, None, None]
    offset = (np.indices(density.shape) - centre) * SPACING
    distance = np.maximum(np.sqrt((offset**2).sum(axis=0)), 1e-3)
    shift = world.mass_effect_mm * radius / reference * np.exp(-((distance - radius) ** 2) / 450)
    shift *= np.minimum(distance / radius, 1)
    source = np.indices(density.shape) - offset / distance * shift / SPACING
    return np.asarray(map_coordinates(density, source, order=1), np.float32)


def labels(live: Volume, dead: Volume, world: World = WORLDS["a"]) -> NDArray[np.uint8]:
    """Label the parts of a tumour.

    Args:
        live: density of live cells (x, y, z), 0 to 1.
        dead: density of dead cells (x, y, z), 0 to 1.
        world: simulated world.

    Returns:
        Labels (x, y, z) in BraTS region order: 0 outside, 1 necrotic core, 2 oedema, 3 enhancing.
    """
    density = visible(live, dead, world)
    label_map = np.zeros(live.shape, np.uint8)
    for threshold, label in zip(
        world.thresholds, (OEDEMA_LABEL, ENHANCING_LABEL, NECROTIC_CORE), strict=True
    ):
        label_map[density > threshold] = label
    return label_map


def delineate(live: Volume, dead: Volume, world: World, rng: np.random.Generator) -> Mask:
    """Draw the gross tumour volume as a reader does: enhancing tumour and necrosis.

    Args:
        live: density of live cells (x, y, z), 0 to 1.
        dead: density of dead cells (x, y, z), 0 to 1.
        world: simulated world, with the reader's noise.
        rng: random numbers of the reader.

    Returns:
        Mask (x, y, z).
    """
    density = visible(live, dead, world)
    if world.reader_noise:
        field = gaussian_filter(rng.normal(size=density.shape), 4 / SPACING)
        density = density + world.reader_noise * field / field.std()
    return np.asarray(density > world.thresholds[1])


def millilitres(mask: Mask) -> float:
    """Measure the volume of a mask.

    Args:
        mask: mask (x, y, z) on the anatomical grid.

    Returns:
        Volume in ml.
    """
    return float(np.count_nonzero(mask)) * SPACING**3 / 1000


def enhancing_ml(live: Volume, dead: Volume, world: World) -> float:
    """Measure the volume within the outer border of the enhancing rim.

    Args:
        live: density of live cells (x, y, z), 0 to 1.
        dead: density of dead cells (x, y, z), 0 to 1.
        world: simulated world.

    Returns:
        Volume in ml, including the necrotic core, without the mass effect.
    """
    return millilitres(np.clip(live + dead, 0, 1) > world.thresholds[1])


def sample_treatment(rng: np.random.Generator, world: World) -> Treatment:
    """Draw a random course of radiotherapy.

    Photons have a probability of 0.5, protons and carbon ions of 0.25 each.

    Args:
        rng: random numbers of the patient.
        world: simulated world.

    Returns:
        Course of the world for the drawn radiation.
    """
    return world.schedules[list(Radiation)[rng.choice(3, p=[0.5, 0.25, 0.25])]]


@dataclass(frozen=True, eq=False)
class Disease:
    """A tumour before radiotherapy.

    Args:
        cells: density of live cells (x, y, z), 0 to 1.
        d: diffusion coefficient (x, y, z) in mm2/day; 0 outside tissue.
        growth: parameters of growth.
        alpha: radiosensitivity in 1/Gy.
        spacing: effective voxel size along x, y and z in mm: the voxel size over the square root of
            the world's anisotropy.
        corner: first voxel of the head that the arrays show.
    """

    cells: Volume
    d: Volume
    growth: Growth
    alpha: float
    spacing: tuple[float, float, float]
    corner: tuple[int, int, int] = (0, 0, 0)

    def after(
        self, live: Volume, dead: Volume, days: int, survival: dict[int, Volume] | None = None
    ) -> tuple[Volume, Volume]:
        """Simulate growth, and radiotherapy if any, over some days.

        Args:
            live: density of live cells (x, y, z), 0 to 1.
            dead: density of dead cells (x, y, z), 0 to 1.
            days: number of days.
            survival: surviving fraction (x, y, z) by day of a fraction, counted from now; None: no
                radiotherapy.

        Returns:
            Density of live cells and density of dead cells, each (x, y, z).
        """
        return grow(live, dead, self.d, self.growth, self.spacing, days, survival)


def sample_disease(
    head: Head, world: World, alpha: float, rng: np.random.Generator, reach_mm: float | None = None
) -> Disease:
    """Grow a tumour from a seed in white matter until its enhancing volume has a random size.

    The size is 6 to 32 ml. Growth stops after 2500 days at the latest.

    Args:
        head: head of the patient.
        world: simulated world.
        alpha: radiosensitivity in 1/Gy.
        rng: random numbers of the patient.
        reach_mm: distance in mm from the seed, along each axis, beyond which the head is cut off,
            which is faster; None: the whole head.

    Returns:
        Tumour of that size on the anatomical grid, or on the part of it around the seed.
    """
    white = head.tissues[TISSUES.index("white")]
    grey = head.tissues[TISSUES.index("grey")]
    rate = float(np.exp(rng.uniform(np.log(0.008), np.log(0.04))))
    diffusion = float(rng.uniform(0.03, 0.12))
    growth = Growth(diffusion, rate, world.grey_ratio, world.clearance_days)
    d = diffusivity(white, grey, growth)
    depth = distance_transform_edt(head.brain) * SPACING
    above = np.arange(d.shape[2]) > d.shape[2] * 0.35  # not in the cerebellum
    seeds = np.argwhere((white > 0.7) & (depth > 12) & above)
    seed = seeds[rng.integers(len(seeds))]
    low = np.zeros(3, int)
    if reach_mm is not None:
        low = np.maximum(seed - int(reach_mm / SPACING), 0)
        d = d[tuple(slice(a, s + int(reach_mm / SPACING)) for a, s in zip(low, seed, strict=True))]
        seed = seed - low
    around = tuple(slice(s - 1, s + 2) for s in seed)
    cells = np.zeros_like(d)
    cells[around] = 0.8 * (d[around] > 0)
    x, y, z = (SPACING / np.sqrt(a) for a in world.anisotropy)
    disease = Disease(cells, d, growth, alpha, (x, y, z), (int(low[0]), int(low[1]), int(low[2])))
    target = rng.uniform(6, 32)  # ml
    dead = np.zeros_like(d)
    for _ in range(250):
        cells, _ = disease.after(cells, dead, 10)
        if enhancing_ml(cells, dead, world) >= target:
            break
    return replace(disease, cells=cells)


def dose_map(gtv: Mask, treatment: Treatment, sharp: bool = True) -> Volume:
    """Compute the dose of a course.

    The prescribed dose covers the GTV and 15 mm around it. Outside, the dose falls exponentially
    over ``PENUMBRA_MM``, which is shorter for particles.

    Args:
        gtv: gross tumour volume (x, y, z) on the anatomical grid.
        treatment: course of radiotherapy.
        sharp: False gives every radiation the penumbra of photons.

    Returns:
        RBE-weighted dose (x, y, z) in Gy.
    """
    distance = distance_transform_edt(~gtv) * SPACING - 15.0
    total = np.zeros(gtv.shape)
    for phase in treatment.phases:
        width = PENUMBRA_MM[phase.radiation if sharp else Radiation.PHOTON]
        total += weighted_dose(phase) * np.exp(-np.clip(distance, 0, None) / width)
    return total.astype(np.float32)


def survival_maps(
    dose: Volume, treatment: Treatment, alpha: float, offset: int, world: World
) -> dict[int, Volume]:
    """Compute the share of cells that survive each fraction of a course.

    Args:
        dose: dose (x, y, z) of the course; only its distribution relative to the maximum is used.
        treatment: course of radiotherapy.
        alpha: radiosensitivity in 1/Gy.
        offset: day on which radiotherapy starts.
        world: simulated world.

    Returns:
        Surviving fraction (x, y, z), 0 to 1, by day of a fraction.
    """
    relative = np.asarray(dose, np.float64) / max(float(dose.max()), 1e-6)
    maps = {}
    for phase in treatment.phases:
        level = weighted_dose(phase) / phase.fractions * world.efficacy(phase)
        survival = surviving_fraction(relative * level, alpha, alpha / world.alpha_beta)
        for day in fraction_days(phase):
            maps[offset + day] = survival.astype(np.float32)
    return maps


def follow(
    disease: Disease,
    treatment: Treatment,
    dose: Volume,
    days: tuple[int, ...],
    world: World,
    chemotherapy: Mapping[int, float] | None = None,
) -> dict[int, tuple[Volume, Volume]]:
    """Simulate a tumour under radiotherapy and record it on some days.

    Args:
        disease: tumour on the earliest of ``days``.
        treatment: course of radiotherapy.
        dose: dose (x, y, z) of the course.
        days: days counted from the start of radiotherapy; the earliest is at most 0.
        world: simulated world.
        chemotherapy: share of the cells that survives a cycle, by its day; None: none is given.

    Returns:
        Density of live cells and density of dead cells, each (x, y, z), by day.
    """
    first, *stops = sorted(days)
    live = disease.cells
    dead = np.zeros_like(disease.cells)
    densities = {first: (live, dead)}
    day = first
    survival = survival_maps(dose, treatment, disease.alpha, -first, world)
    for cycle, share in (chemotherapy or {}).items():
        survival[cycle - first] = np.full(live.shape, share, np.float32)
    for stop in stops:
        shifted = {k - (day - first): v for k, v in survival.items()}
        live, dead = disease.after(live, dead, stop - day, shifted)
        densities[stop] = (live, dead)
        day = stop
    return densities


def reaction(
    densities: dict[int, tuple[Volume, Volume]], dose: Volume, peak: float
) -> dict[int, tuple[Volume, Volume]]:
    """Add a passing reaction to the dose, which enhances around the tumour and then recedes.

    It is strongest on day 75, within 90 % of the highest dose, and over by day 150.

    Args:
        densities: live and dead cells (x, y, z) by day.
        dose: dose (x, y, z).
        peak: density of the reaction at its strongest beside the tumour, 0 to 1.

    Returns:
        Densities in which the reaction counts as dead cells, as both enhance.
    """
    first = min(densities)
    near = np.exp(-distance_transform_edt(sum(densities[first]) < 0.3) * SPACING / _REACTION_MM)
    inside = near * (dose >= 0.9 * dose.max())
    changed = {}
    for day, (live, dead) in densities.items():
        strength = peak * float(np.interp(day, _REACTION_DAYS, (0.0, 1.0, 0.0)))
        added = np.clip(strength * inside, 0, np.clip(1 - live - dead, 0, 1))
        changed[day] = (live, np.asarray(dead + added, np.float32))
    return changed


def simulate_course(
    head: Head,
    imaging_days: tuple[int, ...],
    seed: int,
    world: World = WORLDS["a"],
    reacts: bool = False,
    chemotherapy: bool = False,
    reach_mm: float | None = None,
) -> Course:
    """Grow, treat and follow one tumour; equal arguments give equal courses.

    Args:
        head: head of the patient.
        imaging_days: days of imaging, counted from the start of radiotherapy.
        seed: seed of the patient.
        world: simulated world.
        reacts: whether some patients have pseudoprogression, with ``PSEUDOPROGRESSION``.
        chemotherapy: whether temozolomide follows radiotherapy.
        reach_mm: see ``sample_disease``.

    Returns:
        True course of the patient.
    """
    rng = np.random.default_rng(seed)
    treatment = sample_treatment(rng, world)
    methylated = bool(rng.random() < 0.4)
    alpha = max(rng.normal(0.032 if methylated else 0.022, 0.006), 0.008)
    disease = sample_disease(head, world, alpha, rng, reach_mm)
    first = min(imaging_days)
    dose = dose_map(disease.cells > world.thresholds[1], treatment, sharp=not world.null)
    given = cycles(methylated, np.random.default_rng([seed, 2])) if chemotherapy else None
    densities = follow(disease, treatment, dose, (*imaging_days, RESPONSE_DAY), world, given)
    apart = np.random.default_rng([seed, 1])  # the course itself stays the same
    pseudo = reacts and bool(apart.random() < PSEUDOPROGRESSION[methylated] * _share(treatment))
    if pseudo:
        densities = reaction(densities, dose, float(apart.uniform(0.6, 0.9)))
    volumes = {k: enhancing_ml(*v, world) for k, v in densities.items()}
    ratio = volumes[RESPONSE_DAY] / max(volumes[first], 1e-6)
    rano = "PD" if ratio >= PROGRESSION else "PR" if ratio <= PARTIAL_RESPONSE else "SD"
    death = _death_day(disease, densities, world, rng)
    return Course(
        densities, dose, treatment, volumes, rano, methylated, death, pseudo, disease.corner
    )


def _share(treatment: Treatment) -> float:
    """Return how much more or less likely a reaction is than after 60 Gy."""
    return sum(weighted_dose(phase) for phase in treatment.phases) / 60.0


def _death_day(
    disease: Disease,
    densities: dict[int, tuple[Volume, Volume]],
    world: World,
    rng: np.random.Generator,
) -> int:
    """Return the day on which the visible tumour exceeds a lethal volume.

    The day is counted from the start of radiotherapy. It is about 1500 if the tumour stays smaller.
    """
    day = max(densities)
    live, dead = densities[day]
    lethal = LETHAL_ML * rng.uniform(0.7, 1.3)
    while day < 1500:
        if millilitres(live + dead > world.thresholds[0]) >= lethal:
            return day + int(rng.integers(0, 30))
        live, dead = disease.after(live, dead, 30)
        day += 30
    return day
