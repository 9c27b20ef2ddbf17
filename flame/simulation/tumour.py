"""A simulated patient's disease: growth, radiotherapy, and what is true on each day."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.growth import Growth, diffusivity, grow
from flame.models.radiobiology import surviving_fraction, weighted_dose
from flame.simulation.anatomy import SPACING, TISSUES, Head

Volume = NDArray[np.float32]
ENHANCING, OEDEMA, NECROSIS = 0.5, 0.2, 0.85
"""Cell densities above which a voxel enhances, is oedematous, is necrotic."""
NECROTIC_CORE, OEDEMA_LABEL, ENHANCING_LABEL = 1, 2, 3
LETHAL_ML = 130.0
PROGRESSION, PARTIAL_RESPONSE = 1.4, 0.35
"""RANO 2.0 volume ratios to baseline: PD from +40 %, PR from -65 %."""
RESPONSE_DAY = 165


@dataclass(frozen=True, eq=False)
class Course:
    """Truth of one patient.

    ``densities`` maps the day from the start of radiotherapy to (live, dead) cell density on the
    anatomical grid; ``dose`` is the RBE-weighted dose in Gy; ``volumes`` are enhancing ml.
    """

    densities: dict[int, tuple[Volume, Volume]]
    dose: Volume
    treatment: Treatment
    volumes: dict[int, float]
    rano: str
    methylated: bool
    survival_days: int


def labels(live: Volume, dead: Volume) -> NDArray[np.uint8]:
    """Tumour labels: 1 necrotic core, 2 oedema, 3 enhancing (BraTS region order)."""
    visible = np.clip(live + dead, 0, 1)
    found = np.zeros(live.shape, np.uint8)
    found[visible > OEDEMA] = OEDEMA_LABEL
    found[visible > ENHANCING] = ENHANCING_LABEL
    found[visible > NECROSIS] = NECROTIC_CORE
    return found


def _millilitres(mask: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(mask)) * SPACING**3 / 1000


def enhancing_ml(live: Volume, dead: Volume) -> float:
    """Volume within the enhancing rim, necrotic core included, in ml."""
    return _millilitres(np.clip(live + dead, 0, 1) > ENHANCING)


def sample_treatment(rng: np.random.Generator) -> Treatment:
    """Photon, proton or photon with a carbon boost, in schedules that are in use."""
    choice = rng.choice(3, p=[0.5, 0.25, 0.25])
    if choice == 0:
        return Treatment((Phase(Radiation.PHOTON, 60.0, 30),))
    if choice == 1:
        return Treatment((Phase(Radiation.PROTON, 60.0, 30, biological=True),))
    return Treatment(
        (
            Phase(Radiation.PHOTON, 50.0, 25),
            Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True),
        )
    )


def _grown_tumour(head: Head, rng: np.random.Generator) -> tuple[Volume, Volume, Growth]:
    """Grow from a seed in white matter until the enhancing volume reaches a sampled size."""
    white, grey = head.tissues[TISSUES.index("white")], head.tissues[TISSUES.index("grey")]
    rate = float(np.exp(rng.uniform(np.log(0.015), np.log(0.06))))
    growth = Growth(diffusion=float(rng.uniform(0.03, 0.12)), rate=rate)
    d = diffusivity(white, grey, growth)
    depth = distance_transform_edt(head.brain) * SPACING
    above = np.arange(d.shape[2]) > d.shape[2] * 0.35  # not in the cerebellum
    seeds = np.argwhere((white > 0.7) & (depth > 12) & above)
    seed = tuple(seeds[rng.integers(len(seeds))])
    cells = np.zeros_like(d)
    cells[tuple(slice(s - 1, s + 2) for s in seed)] = 0.8 * (
        d[tuple(slice(s - 1, s + 2) for s in seed)] > 0
    )
    target, dead = rng.uniform(6, 32), np.zeros_like(d)
    for _ in range(150):
        cells, _ = grow(cells, dead, d, growth, SPACING, days=10)
        if enhancing_ml(cells, dead) >= target:
            break
    return cells, d, growth


def _dose_map(gtv: NDArray[np.bool_], treatment: Treatment) -> Volume:
    """Prescribed dose within GTV + 15 mm and a penumbra outside, sharper for particles."""
    distance = distance_transform_edt(~gtv) * SPACING - 15.0
    total = np.zeros(gtv.shape)
    for phase in treatment.phases:
        width = {Radiation.PHOTON: 9.0, Radiation.PROTON: 5.0, Radiation.CARBON: 3.0}
        fall = np.exp(-np.clip(distance, 0, None) / width[phase.radiation])
        total += weighted_dose(phase) * fall
    return total.astype(np.float32)


def simulate_course(head: Head, imaging_days: tuple[int, ...], seed: int) -> Course:
    """Grow, treat and follow one tumour; deterministic in ``seed``."""
    rng = np.random.default_rng(seed)
    treatment = sample_treatment(rng)
    methylated = bool(rng.random() < 0.4)
    alpha = rng.normal(0.044 if methylated else 0.030, 0.006)
    cells, d, growth = _grown_tumour(head, rng)
    dead = np.zeros_like(cells)
    first = min(imaging_days)
    dose = _dose_map(np.clip(cells, 0, 1) > ENHANCING, treatment)
    survival = _fraction_survival(dose, treatment, max(alpha, 0.008), -first)
    stops = sorted({*imaging_days, RESPONSE_DAY})
    densities, day = {first: (cells, dead)}, first
    for stop in stops[1:]:
        shifted = {k - (day - first): v for k, v in survival.items()}
        cells, dead = grow(cells, dead, d, growth, SPACING, stop - day, shifted)
        densities[stop], day = (cells, dead), stop
    volumes = {k: enhancing_ml(*v) for k, v in densities.items()}
    ratio = volumes[RESPONSE_DAY] / max(volumes[first], 1e-6)
    rano = "PD" if ratio >= PROGRESSION else "PR" if ratio <= PARTIAL_RESPONSE else "SD"
    death = _death_day(cells, dead, d, growth, day, rng)
    return Course(densities, dose, treatment, volumes, rano, methylated, death)


def _fraction_survival(
    dose: Volume, treatment: Treatment, alpha: float, offset: int
) -> dict[int, Volume]:
    """Survival maps by day (from the first imaging): five fractions a week, phase by phase."""
    relative = dose / max(float(dose.max()), 1e-6)
    maps = {}
    for phase in treatment.phases:
        per_fraction = weighted_dose(phase) / phase.fractions
        levels = np.linspace(0, 1, 33)
        curve = [surviving_fraction(x * per_fraction, alpha, alpha / 8) for x in levels]
        survival = np.interp(relative, levels, curve).astype(np.float32)
        for number in range(phase.fractions):
            maps[offset + phase.start_day + number // 5 * 7 + number % 5] = survival
    return maps


def _death_day(
    cells: Volume, dead: Volume, d: Volume, growth: Growth, day: int, rng: np.random.Generator
) -> int:
    """Day on which the visible tumour exceeds a lethal volume, within five years."""
    lethal = LETHAL_ML * rng.uniform(0.7, 1.3)
    while day < 1500:
        if _millilitres(cells + dead > OEDEMA) >= lethal:
            return day + int(rng.integers(0, 30))
        cells, dead = grow(cells, dead, d, growth, SPACING, days=30)
        day += 30
    return day
