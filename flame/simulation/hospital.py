"""Simulated hospitals, written as DICOM with the truth in a separate folder."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from flame.core.imaging import Sequence
from flame.simulation.anatomy import Head, warped_head
from flame.simulation.dicom_images import Study, write_series
from flame.simulation.dicom_radiotherapy import write_dose, write_plans, write_structures
from flame.simulation.scanner import SCANNERS, Scanner, acquire, acquisition_grid, pose, signal
from flame.simulation.tumour import ENHANCING_LABEL, NECROTIC_CORE, Course, labels, simulate_course

DAY_ZERO = date(2020, 1, 6)
"""Earliest start of radiotherapy; a patient starts up to 699 days later."""


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

    Returns:
        Rows of the patient in the clinical table and in the table of the truth.
    """
    patient_seed = np.random.SeedSequence([seed, centre, number])
    rng = np.random.default_rng(patient_seed)
    patient_id = f"SIM-{centre + 1}-{number + 1:03d}"
    head = warped_head(rng)
    course = simulate_course(head, imaging_days, int(rng.integers(2**31)))
    sex = str(rng.choice(["M", "F"]))
    age = int(np.clip(rng.normal(60, 11), 22, 88))
    start = DAY_ZERO + timedelta(int(rng.integers(0, 700)))
    truth_folder = truth / patient_id
    truth_folder.mkdir(parents=True, exist_ok=True)
    for order, day in enumerate(imaging_days, 1):
        study = Study(patient_id, sex, age, start + timedelta(day), order)
        folder = dicom / patient_id / f"{study.day:%Y%m%d}"
        # The first day is the planning day: the dose lies in its frame of reference.
        movement = np.eye(4) if order == 1 else pose(rng, degrees=6, mm=8)
        position = movement @ head.affine
        for sequence in Sequence:
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
        gtv = (label_map == ENHANCING_LABEL) | (label_map == NECROTIC_CORE)
        if order == 1:
            _treat(folder.parent / "radiotherapy", study, start, course, gtv, head.affine)
        elif gtv.any():
            write_structures(folder / "RS.dcm", study, gtv, position)
    followed = int(rng.integers(250, 1100))
    clinical = {
        "patient_id": patient_id,
        "age": age,
        "sex": sex,
        "mgmt": int(course.methylated),
        "radiotherapy_start": f"{start:%Y-%m-%d}",
        "response": int(course.rano != "PD"),
        "survival_days": min(followed, course.survival_days),
        "died": int(course.survival_days <= followed),
    }
    volumes = {f"enhancing_ml_day{d:+d}": round(v, 2) for d, v in course.volumes.items()}
    return SimulatedPatient(
        patient_id, clinical, {"patient_id": patient_id, "rano": course.rano, **volumes}
    )


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
    number = list(Sequence).index(sequence) + 2
    write_series(folder / f"S{number:03d}", study, scanner, sequence, voxels, grid[0])


def _treat(
    folder: Path,
    study: Study,
    start: date,
    course: Course,
    gtv: NDArray[np.bool_],
    affine: NDArray[np.float64],
) -> None:
    """Write contours, dose and plans in the frame of reference of the planning day."""
    planning = Study(study.patient_id, study.sex, study.age, start, 90, frame=study.number)
    write_structures(folder / "RS.dcm", planning, gtv, affine)
    coarse = course.dose[::2, ::2, ::2]
    grid = affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    biological = any(p.biological for p in course.treatment.phases)
    write_dose(folder / "RD.dcm", planning, coarse, grid, biological)
    write_plans(folder, planning, course.treatment)
