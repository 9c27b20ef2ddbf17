"""Simulated hospitals, written as DICOM with the truth in a separate folder."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from flame.core.imaging import STRUCTURAL, LabelMap, Sequence
from flame.core.treatment import Treatment
from flame.preprocessing.stages.interpolation import coarse_grid, resample, resample_labels
from flame.simulation.anatomy import SPACING, Head, warped_head
from flame.simulation.dicom_images import Study, write_series
from flame.simulation.dicom_radiotherapy import (
    write_dose,
    write_plans,
    write_registration,
    write_structures,
)
from flame.simulation.planning_ct import ct_grid, hounsfield, write_ct
from flame.simulation.readers import drawn, reader_of
from flame.simulation.scanner import SCANNERS, Scanner, acquire, acquisition_grid, pose, signal
from flame.simulation.tumour import (
    Course,
    dose_map,
    labels,
    simulate_course,
)

DAY_ZERO = date(2020, 1, 6)
"""Earliest start of radiotherapy; a patient starts up to 699 days later."""
MIXED = "mixed"
"""Choice of the planning images by which hospitals differ."""


CT_NUMBER = 80
"""Number of the study of the planning CT."""
CT_SPACING = (2.0, 2.0, 3.0)
"""Voxel size of the planning CT along x, y and z in mm."""
CTV_MM = 15.0
"""Margin of the clinical target volume around the gross tumour volume in mm."""


class Planning(StrEnum):
    """Images on which a hospital plans radiotherapy."""

    MR = "mr"
    """The MRI of the planning day."""
    CT = "ct"
    """A CT, which nothing links to the MRI."""
    CT_REGISTERED = "ct-registered"
    """A CT, with a Spatial Registration object."""


def planning_of(centre: int, choice: str) -> Planning:
    """Choose the images on which a hospital plans.

    Args:
        centre: number of the hospital, from 0.
        choice: a value of ``Planning`` for all hospitals, or mixed: they use them in turn, CT
            first.

    Returns:
        The images.
    """
    turn = (Planning.CT, Planning.MR, Planning.CT_REGISTERED)
    return turn[centre % len(turn)] if choice == MIXED else Planning(choice)


@dataclass(frozen=True)
class SimulatedPatient:
    """Rows of one patient in the hospital's clinical table and in the table of the truth.

    Args:
        patient_id: DICOM PatientID.
        clinical: row of the clinical table, by column.
        truth: row of the table of the truth, by column.
    """

    patient_id: str
    clinical: dict[str, object]
    truth: dict[str, object]


def scanner_of(centre: int) -> Scanner:
    """Choose the scanner of a hospital; the hospitals use ``SCANNERS`` in turn.

    Args:
        centre: number of the hospital, from 0.

    Returns:
        Scanner of the hospital.
    """
    return SCANNERS[centre % len(SCANNERS)]


def simulate_patient(
    dicom: Path,
    truth: Path,
    centre: int,
    number: int,
    spacing: float,
    imaging_days: tuple[int, ...],
    seed: int,
    planning: Planning = Planning.MR,
    reacts: bool = False,
    lifelike: bool = False,
) -> SimulatedPatient:
    """Simulate one patient and write the DICOM files and the truth.

    Args:
        dicom: folder for the DICOM files, with a folder per patient and day.
        truth: folder for the true label maps, with a folder per patient.
        centre: number of the hospital, from 0.
        number: number of the patient at the hospital, from 0.
        spacing: nominal voxel size in mm.
        imaging_days: days of imaging in rising order, counted from the start of radiotherapy. The
            first is the planning day.
        seed: seed of the cohort.
        planning: images on which radiotherapy is planned.
        reacts: whether the patient may have pseudoprogression.
        lifelike: whether temozolomide follows radiotherapy, and contours differ between readers.

    Returns:
        Rows of the patient in the clinical table and in the table of the truth.
    """
    patient_seed = np.random.SeedSequence([seed, centre, number])
    rng = np.random.default_rng(patient_seed)
    patient_id = f"SIM-{centre + 1}-{number + 1:03d}"
    head = warped_head(rng)
    course = simulate_course(
        head, imaging_days, int(rng.integers(2**31)), reacts=reacts, chemotherapy=lifelike
    )
    sex, age = sex_and_age(rng)
    start = DAY_ZERO + timedelta(int(rng.integers(0, 700)))
    reader = reader_of(seed, centre, number) if lifelike else None
    truth_folder = truth / patient_id
    truth_folder.mkdir(parents=True, exist_ok=True)
    for order, day in enumerate(imaging_days, 1):
        study = Study(patient_id, sex, age, start + timedelta(day), order)
        folder = dicom / patient_id / f"{study.day:%Y%m%d}"
        # The first day is the planning day: the dose lies in its frame of reference.
        movement = np.eye(4) if order == 1 else pose(rng, degrees=6, mm=8)
        position = movement @ head.affine
        for sequence in STRUCTURAL:
            _scan(
                folder,
                study,
                scanner_of(centre),
                head,
                course,
                day,
                sequence,
                position,
                spacing,
                rng,
            )
        label_map = labels(*course.densities[day])
        path = truth_folder / f"day{day:+04d}_dseg.nii.gz"
        nib.save(nib.Nifti1Image(label_map, position), path)
        gtv = drawn(*course.densities[day], reader)
        if order == 1:
            radiotherapy = folder.parent / "radiotherapy"
            planned = np.random.default_rng(patient_seed.spawn(1)[0])
            _treat(radiotherapy, study, start, course, gtv, head, planning, planned)
        elif gtv.any():
            write_structures(folder / "RS.dcm", study, {"GTV": gtv}, position)
    clinical = {
        "patient_id": patient_id,
        "age": age,
        "sex": sex,
        "mgmt": int(course.methylated),
        "radiotherapy_start": f"{start:%Y-%m-%d}",
        **outcomes(course, rng),
    }
    volumes = {f"enhancing_ml_day{d:+d}": round(v, 2) for d, v in course.volumes.items()}
    return SimulatedPatient(
        patient_id,
        clinical,
        {
            "patient_id": patient_id,
            "rano": course.rano,
            **volumes,
            **({"pseudoprogression": int(course.pseudoprogression)} if reacts else {}),
        },
    )


def sex_and_age(rng: np.random.Generator) -> tuple[str, int]:
    """Draw the sex, M or F, and the age of a patient in years.

    Args:
        rng: random numbers of the patient.

    Returns:
        Sex and age.
    """
    return str(rng.choice(["M", "F"])), int(np.clip(rng.normal(60, 11), 22, 88))


def outcomes(course: Course, rng: np.random.Generator) -> dict[str, int]:
    """Return the outcomes of a patient as a hospital knows them.

    Args:
        course: true course.
        rng: random numbers of the patient, for the length of follow-up.

    Returns:
        ``response`` (no progression on the day of assessment), ``survival_days`` and ``died``.
    """
    followed = int(rng.integers(250, 1100))
    return {
        "response": int(course.rano != "PD"),
        "survival_days": min(followed, course.survival_days),
        "died": int(course.survival_days <= followed),
    }


def _scan(
    folder: Path,
    study: Study,
    scanner: Scanner,
    head: Head,
    course: Course,
    day: int,
    sequence: Sequence,
    position: NDArray[np.float64],
    spacing: float,
    rng: np.random.Generator,
) -> None:
    """Acquire one sequence of a day and write it as DICOM."""
    image = signal(head, *course.densities[day], sequence, scanner.contrast)
    grid = acquisition_grid(scanner, head, spacing)
    still = sequence is Sequence.T1C  # the reference; the head moves between the others
    moved = position if still else pose(rng, degrees=1.5, mm=2) @ position
    voxels = acquire(scanner, image, moved, grid, rng)
    number = STRUCTURAL.index(sequence) + 2
    write_series(folder / f"S{number:03d}", study, scanner, sequence, voxels, grid[0])


def _treat(
    folder: Path,
    study: Study,
    start: date,
    course: Course,
    gtv: NDArray[np.bool_],
    head: Head,
    planning: Planning,
    rng: np.random.Generator,
) -> None:
    """Write contours, doses and plans on the MRI of the planning day, or on a planning CT."""
    on_ct = planning is not Planning.MR
    position = pose(rng, degrees=15, mm=25) @ head.affine if on_ct else head.affine
    frame = CT_NUMBER if on_ct else study.number
    planned = Study(study.patient_id, study.sex, study.age, start, 90, frame=frame)
    affine, shape = ct_grid(head, position, CT_SPACING) if on_ct else (position, gtv.shape)
    if on_ct:
        scanned = Study(study.patient_id, study.sex, study.age, study.day, CT_NUMBER)
        values = hounsfield(head, position, (affine, shape), rng)
        write_ct(folder.parent / "planning", scanned, values, affine)
    if planning is Planning.CT_REGISTERED:
        to_mr = head.affine @ np.linalg.inv(position)
        write_registration(folder / "REG.dcm", planned, planned.frame_uid, study.frame_uid, to_mr)

    def on_grid(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if not on_ct:
            return mask
        labels = LabelMap(mask.astype(np.uint8), position)
        return resample_labels(labels, affine, shape).voxels > 0

    margin = distance_transform_edt(~gtv) * SPACING <= CTV_MM
    masks = {"GTV": gtv, "CTV": margin & head.brain, "Brain": head.brain}
    write_structures(folder / "RS.dcm", planned, {n: on_grid(m) for n, m in masks.items()}, affine)
    coarse, size = coarse_grid(affine, shape, 2 * SPACING)
    for number, phase in enumerate(course.treatment.phases, 1):
        dose = resample(dose_map(gtv, Treatment((phase,))), position, coarse, size)
        write_dose(folder / f"RD{number}.dcm", planned, dose, coarse, phase.biological, number)
    write_plans(folder, planned, course.treatment)
