"""Simulated patients as evolution cases, each with its true follow-up under every radiation."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, gaussian_filter

from flame.core.imaging import LabelMap, Sequence
from flame.core.treatment import Radiation
from flame.models.evolution.cases import SEQUENCES
from flame.models.evolution.model import EvolutionCase
from flame.preprocessing.cohort.tumour_cube import SHAPE, VOXEL_MM, cube_around
from flame.preprocessing.stages.atlas_registration import template, tissues
from flame.preprocessing.stages.interpolation import resample, resample_labels
from flame.preprocessing.stages.linear_registration import register
from flame.simulation.anatomy import SPACING, Head, warped_head
from flame.simulation.scanner import SCANNERS, signal
from flame.simulation.tumour import Disease, delineate, dose_map, follow, sample_disease
from flame.simulation.world import COURSES, World

EARLIER = -40
"""Day of the first imaging, counted from the start of radiotherapy."""
BASELINE = -10
"""Day of the imaging on which radiotherapy is planned."""
FOLLOW_UPS = (45, 90, 165)
"""Days of imaging after the start of radiotherapy."""
REACH_MM = 72.0
"""Distance in mm from the tumour's centre, along each axis, beyond which the head is cut off."""
CROSSED = "crossed"
"""Design in which every centre gives every radiation."""
CONFOUNDED = "confounded"
"""Design in which each centre gives only one radiation."""

Matrix = NDArray[np.float64]
Volume = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SimulatedEvolution:
    """A simulated patient under the radiation received and under the other radiations.

    Args:
        given: radiation that the patient received.
        under: case by radiation, with the true follow-up under that radiation.
    """

    given: Radiation
    under: dict[Radiation, EvolutionCase]

    @property
    def case(self) -> EvolutionCase:
        """The case as the hospital observes it, under the radiation received."""
        return self.under[self.given]


@dataclass(frozen=True, eq=False)
class Untreated:
    """A simulated patient before radiotherapy.

    Args:
        case: case before radiotherapy; ``treated`` replaces its treatment, dose and follow-up.
        centre: number of the centre, from 0.
        choice: index of the radiation that the crossed design gives.
        disease: tumour on the day of the baseline imaging.
        planned: gross tumour volume (x, y, z) that radiotherapy is planned on.
        affine: RAS+ affine (4, 4) of ``disease`` and ``planned`` in mm.
        grid: RAS+ affine (4, 4) of the case in mm.
        reader: seed of the reader who draws the follow-up contours.
    """

    case: EvolutionCase
    centre: int
    choice: int
    disease: Disease
    planned: NDArray[np.bool_]
    affine: Matrix
    grid: Matrix
    reader: int


def simulate_evolution(
    world: World, design: str, centre: int, number: int, seed: int, counterfactual: bool = True
) -> SimulatedEvolution:
    """Simulate one patient; equal arguments give equal patients.

    Args:
        world: simulated world.
        design: ``CROSSED`` (every centre gives every radiation) or ``CONFOUNDED`` (each centre
            gives only one).
        centre: number of the centre, from 0.
        number: number of the patient at the centre, from 0.
        seed: seed of the cohort.
        counterfactual: whether the patient is also followed under the radiations not received.

    Returns:
        Patient with the radiation received and the case under each radiation.
    """
    return treated(untreated(world, centre, number, seed), world, design, counterfactual)


def untreated(world: World, centre: int, number: int, seed: int) -> Untreated:
    """Simulate one patient up to radiotherapy.

    The patient is the same in every design, and whether or not ``world`` is null.

    Args:
        world: simulated world.
        centre: number of the centre, from 0.
        number: number of the patient at the centre, from 0.
        seed: seed of the cohort.

    Returns:
        Patient on the day of the baseline imaging.
    """
    patient_seed = np.random.SeedSequence([seed, centre, number])
    rng = np.random.default_rng(patient_seed)
    head = warped_head(rng)
    choice = int(rng.integers(3))
    methylated = bool(rng.random() < 0.4)
    sensitivity = max(rng.normal(0.032 if methylated else 0.022, 0.006), 0.008)
    disease = sample_disease(head, world, float(sensitivity), rng)
    first_day = np.random.default_rng(patient_seed.spawn(1)[0])
    to_template = _to_template(head, disease.cells, world, centre, first_day)
    head, disease = _around(head, disease)
    none = np.zeros_like(disease.cells)
    before = delineate(disease.cells, none, world, rng)
    live, _ = disease.after(disease.cells, none, BASELINE - EARLIER)
    planned = delineate(live, none, world, rng)
    grid = cube_around(LabelMap(planned.astype(np.uint8), head.affine))
    images = _images(head, live, none, world, centre, rng, grid)
    white, grey = tissues(to_template @ grid, SHAPE)  # a hospital has no others
    case = EvolutionCase(
        f"{centre + 1}-{number + 1:03d}",
        f"centre-{centre + 1}",
        VOXEL_MM,
        BASELINE,
        _crop(planned, head.affine, grid),
        images,
        white,
        grey,
        np.ones(SHAPE, np.float32),
        COURSES[Radiation.PHOTON],
        ((EARLIER, _crop(before, head.affine, grid)),),
        (),
        float(methylated),
    )
    reader = int(rng.integers(2**31))
    return Untreated(
        case, centre, choice, replace(disease, cells=live), planned, head.affine, grid, reader
    )


def treated(
    patient: Untreated, world: World, design: str, counterfactual: bool = True
) -> SimulatedEvolution:
    """Treat a simulated patient and simulate the follow-up.

    Args:
        patient: patient before radiotherapy.
        world: simulated world.
        design: ``CROSSED`` or ``CONFOUNDED``.
        counterfactual: whether the patient is also followed under the radiations not received.

    Returns:
        Patient with the radiation received and the case under each radiation.
    """
    affine = patient.affine
    grid = patient.grid
    given = list(Radiation)[patient.centre % 3 if design == CONFOUNDED else patient.choice]
    under = {}
    for radiation, treatment in world.schedules.items():
        if not (counterfactual or radiation is given):
            continue
        dose = dose_map(patient.planned, treatment, sharp=not world.null)
        densities = follow(patient.disease, treatment, dose, (BASELINE, *FOLLOW_UPS), world)
        later = []
        for day in FOLLOW_UPS:
            reader = np.random.default_rng([patient.reader, day])
            contour = delineate(*densities[day], world, reader)
            later.append((day, _crop(contour, affine, grid)))
        under[radiation] = replace(
            patient.case,
            dose=resample(dose, affine, grid, SHAPE),
            treatment=treatment,
            later=tuple(later),
        )
    return SimulatedEvolution(given, under)


def _to_template(
    head: Head, cells: Volume, world: World, centre: int, rng: np.random.Generator
) -> Matrix:
    """Register the first T1C to the template; return the RAS+ matrix (4, 4) in mm."""
    scan = _scan(head, cells, np.zeros_like(cells), Sequence.T1C, world, centre, rng)
    atlas = template()
    stripped = np.where(head.brain, scan, 0).astype(np.float32)
    return register(atlas.t1, atlas.affine, stripped, head.affine, "affine")


def _around(head: Head, disease: Disease) -> tuple[Head, Disease]:
    """Crop the head and the disease to REACH_MM around the tumour."""
    middle = np.array(center_of_mass(disease.cells))
    low = np.maximum(middle - REACH_MM / SPACING, 0).astype(int)
    high = (middle + REACH_MM / SPACING).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    affine = head.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    cropped = Head(head.tissues[(slice(None), *box)], head.brain[box], affine)
    return cropped, replace(disease, cells=disease.cells[box], d=disease.d[box])


def _crop(mask: NDArray[np.bool_], affine: Matrix, grid: Matrix) -> NDArray[np.bool_]:
    """Resample a mask from the anatomical grid to the cube."""
    labels = LabelMap(mask.astype(np.uint8), affine)
    return np.asarray(resample_labels(labels, grid, SHAPE).voxels, bool)


def _images(
    head: Head,
    live: Volume,
    dead: Volume,
    world: World,
    centre: int,
    rng: np.random.Generator,
    grid: Matrix,
) -> Volume:
    """Scan T1C and FLAIR (x, y, z, 2), with z-scores within the brain."""
    images = []
    for sequence in SEQUENCES:
        measured = _scan(head, live, dead, sequence, world, centre, rng)
        inside = measured[head.brain]
        scaled = np.where(head.brain, (measured - inside.mean()) / inside.std(), 0)
        images.append(resample(scaled.astype(np.float32), head.affine, grid, SHAPE))
    return np.stack(images, axis=-1)


def _scan(
    head: Head,
    live: Volume,
    dead: Volume,
    sequence: Sequence,
    world: World,
    centre: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Scan a head (x, y, z) on the anatomical grid with the centre's scanner."""
    scanner = SCANNERS[world.scanners[centre % len(world.scanners)]]
    clean = signal(head, live, dead, sequence, scanner.contrast, world)
    field = gaussian_filter(rng.normal(size=[n // 8 + 1 for n in clean.shape]), 2)
    field = np.kron(field / np.abs(field).max(), np.ones((8, 8, 8)))
    field = gaussian_filter(field, 8 / SPACING)[tuple(slice(n) for n in clean.shape)]
    measured = clean * (1 + 0.2 * scanner.bias * field)
    return np.asarray(measured + rng.normal(scale=scanner.noise, size=clean.shape))
