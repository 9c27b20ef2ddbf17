"""Simulated patients as preprocessed folders, without DICOM and images, which is much faster.

The disease is that of ``flame.simulation.hospital``. A patient has the contour of the tumour on
each day, the dose and the plan: what models on volumes, dose and clinical values read.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from flame.core.cohort import Timepoint
from flame.core.files import write_text
from flame.core.imaging import DoseMap, LabelMap
from flame.core.treatment import Treatment
from flame.io.bids import SessionFiles, write_session
from flame.io.tables import SEX, treatment_rows
from flame.preprocessing.stages.atlas_registration import MNI152
from flame.simulation.anatomy import warped_head
from flame.simulation.hospital import outcomes, sex_and_age
from flame.simulation.readers import drawn, reader_of
from flame.simulation.tumour import simulate_course

REACH_MM = 56.0
"""Distance in mm from the tumour, along each axis, beyond which a head is cut off."""


@dataclass(frozen=True)
class SimulatedSubject:
    """A simulated patient of a preprocessed folder.

    Args:
        subject: subject without its BIDS prefix.
        clinical: clinical values and outcomes by column.
        treatment: course of radiotherapy.
    """

    subject: str
    clinical: dict[str, float]
    treatment: Treatment


def simulate_subject(
    root: Path,
    centre: int,
    number: int,
    imaging_days: tuple[int, ...],
    seed: int,
    reacts: bool = False,
    lifelike: bool = False,
) -> SimulatedSubject:
    """Simulate one patient and write a session for each day of imaging.

    Args:
        root: preprocessed folder of the hospital.
        centre: number of the hospital, from 0.
        number: number of the patient at the hospital, from 0.
        imaging_days: days of imaging, counted from the start of radiotherapy.
        seed: seed of the cohort.
        reacts: whether the patient may have pseudoprogression.
        lifelike: whether temozolomide follows radiotherapy, and contours differ between readers.

    Returns:
        The patient, for the tables of the folder.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, centre, number]))
    head = warped_head(rng)
    course = simulate_course(
        head,
        imaging_days,
        int(rng.integers(2**31)),
        reacts=reacts,
        chemotherapy=lifelike,
        reach_mm=REACH_MM,
    )
    subject = f"SIM{centre + 1}x{number + 1:03d}"
    affine = head.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ course.corner
    part = tuple(slice(a, a + n) for a, n in zip(course.corner, course.dose.shape, strict=True))
    reader = reader_of(seed, centre, number) if lifelike else None
    brain = LabelMap(head.brain[part].astype(np.uint8), affine)
    for order, day in enumerate(imaging_days, 1):
        tumour = drawn(*course.densities[day], reader)
        timepoint = Timepoint(
            day,
            {},
            brain,
            LabelMap(tumour.astype(np.uint8), affine),
            DoseMap(course.dose, affine, biological=True) if order == 1 else None,
            template=MNI152,
            to_template=head.to_template,
        )
        sidecar = {"InputHash": f"simulated {seed} {subject} {day}", "Day": day}
        write_session(root, subject, f"{order:02d}", SessionFiles(timepoint), sidecar)
    sex, age = sex_and_age(rng)
    clinical = {"age": float(age), "sex": SEX[sex.lower()], "mgmt": float(course.methylated)}
    return SimulatedSubject(subject, clinical | outcomes(course, rng), course.treatment)


def write_tables(root: Path, preprocessed: Path, subjects: list[SimulatedSubject]) -> None:
    """Write participants.tsv and treatments.tsv of preprocessed and of simulated patients.

    Args:
        root: folder with the sessions of both.
        preprocessed: folder of those who were preprocessed, with their tables.
        subjects: the others.
    """
    rows = [{"participant_id": f"sub-{s.subject}", **s.clinical} for s in subjects]
    courses = [row for s in subjects for row in treatment_rows(s.subject, s.treatment)]
    for name, added in (("treatments.tsv", courses), ("participants.tsv", rows)):
        table = pd.read_csv(preprocessed / name, sep="\t", dtype=str, keep_default_na=False)
        together = pd.concat([table, pd.DataFrame(added).astype(str)], ignore_index=True)
        text = together.fillna("n/a").replace("None", "n/a").to_csv(sep="\t", index=False)
        write_text(root / name, text)
