"""Conversion of a patient's images, masks and radiotherapy into an evolution case."""

import math

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import DoseMap, Sequence
from flame.core.treatment import Treatment, courses, fraction_days, last_fraction
from flame.models.evolution.model import EvolutionCase, Mask
from flame.physics.radiobiology import physical_dose, weighted_dose

SEQUENCES = (Sequence.T1C, Sequence.FLAIR)
"""Sequences in the order of the channels of a case's images."""

Volume = NDArray[np.float32]

_OPERATED = 1.5
"""Ratio of an earlier to the next volume above which, before radiotherapy, surgery in between is
assumed. The earlier image then carries no information about growth.
"""


def evolution_case(patient: Patient, white: Volume, grey: Volume, centre: str) -> EvolutionCase:
    """Build the evolution case of a patient whose images, masks and dose lie on one cube.

    The baseline is ``Patient.start``. The course is the last one that began before it, or else the
    first: days from a later re-irradiation on are left out. Masks and days are enough: a plan and a
    dose that are not there stay unknown.

    Args:
        patient: patient on the cube.
        white: white-matter fraction (x, y, z) on the cube, 0 to 1.
        grey: grey-matter fraction (x, y, z) on the cube, 0 to 1.
        centre: name of the centre.

    Returns:
        The case, with every later day that has a tumour mask.

    Raises:
        BadInput: there is no tumour mask, or nothing is left on the day to start from; the message
            names the patient.
    """
    baseline = patient.start
    if baseline is None or baseline.tumour is None:
        raise BadInput(
            f"centre {centre}: patient {patient.pseudonym} has no tumour mask; draw a GTV, or "
            "predict one"
        )
    tumour = baseline.tumour
    gone = [t.day for t in patient.timepoints if t.tumour and not t.tumour.voxels.any()]
    if any(baseline.day <= day <= patient.landmark for day in gone):
        raise BadInput(
            f"centre {centre}: patient {patient.pseudonym} has no tumour left on day {max(gone)}: "
            "there is nothing to forecast from"
        )
    drawn = [(t.day, t.tumour.voxels > 0) for t in patient.timepoints if t.tumour is not None]
    course, since, until = course_of(patient.treatment, baseline.day)
    planned = _planned(patient, baseline, course, since)
    dose = planned.dose if planned else None
    spacing = float(np.linalg.norm(tumour.affine[:3, 0]))
    return EvolutionCase(
        patient.pseudonym,
        centre,
        spacing,
        baseline.day,
        tumour.voxels > 0,
        _images(baseline),
        white,
        grey,
        dose.voxels * _weight(dose, course) if dose and course else None,
        course,
        _history(drawn, baseline.day, int((tumour.voxels > 0).sum()), patient.treatment),
        tuple(
            (day, mask)
            for day, mask in drawn
            if max(baseline.day, 0, patient.landmark) < day < until
        ),
        patient.clinical.get("mgmt", float("nan")),
        _phase_doses(planned, course) if planned and course else None,
    )


def course_of(treatment: Treatment | None, day: int) -> tuple[Treatment | None, float, float]:
    """Find the course that counts for a baseline: the last that began before it, or the first.

    Args:
        treatment: all radiotherapy of a patient; None: unknown.
        day: day of the baseline.

    Returns:
        The course, the last day of the one before it, and the first day of the one after it; None
        and infinities where there is none.

    Example:
        >>> from flame.core.treatment import Phase, Radiation
        >>> first = Phase(Radiation.PHOTON, 60.0, 30)
        >>> again = Phase(Radiation.PHOTON, 35.0, 10, start_day=300)
        >>> course_of(Treatment((first, again)), day=100)[1:]
        (-inf, 300)
    """
    all_courses = courses(treatment) if treatment else []
    if not all_courses:
        return None, -math.inf, math.inf
    begun = sum(c.phases[0].start_day < day for c in all_courses)
    number = max(begun - 1, 0)
    since = last_fraction(all_courses[number - 1]) if number else -math.inf
    after = all_courses[number + 1 :]
    return all_courses[number], since, after[0].phases[0].start_day if after else math.inf


def _history(
    drawn: list[tuple[int, Mask]], start: int, voxels: int, treatment: Treatment | None
) -> tuple[tuple[int, Mask], ...]:
    """Return the masks before the baseline since the last fraction, operation or empty mask.

    After radiotherapy a tumour also shrinks without an operation.
    """
    fractions = [d for p in treatment.phases for d in fraction_days(p)] if treatment else []
    since = max((d for d in fractions if d < start), default=-math.inf)
    kept: list[tuple[int, Mask]] = []
    for day, mask in reversed([(d, m) for d, m in drawn if since < d < start]):
        next_voxels, voxels = voxels, int(np.count_nonzero(mask))
        if voxels == 0 or (start <= 0 and voxels > _OPERATED * next_voxels):
            break
        kept.insert(0, (day, mask))
    return tuple(kept)


def _planned(
    patient: Patient, baseline: Timepoint, course: Treatment | None, since: float
) -> Timepoint | None:
    """Return the day whose dose is that of the course: the baseline, or the first with one.

    The dose of a day after the course is that of a re-irradiation, and that of a day before the end
    of an earlier course is that of the earlier one.
    """
    end = last_fraction(course) if course else -math.inf
    days = (baseline, *patient.timepoints)
    return next((t for t in days if t.dose and since < t.day <= end), None)


def _phase_doses(planned: Timepoint, course: Treatment) -> Volume | None:
    """Return the RBE-weighted dose (phase, x, y, z) of each phase; None if it is not known."""
    doses = planned.phase_doses
    if len(doses) != len(course.phases):
        return None
    weighted = [
        d.voxels * _weight(d, Treatment((p,))) for d, p in zip(doses, course.phases, strict=True)
    ]
    return np.stack(weighted)


def _images(timepoint: Timepoint) -> Volume:
    """Stack the sequences along the last axis; a missing sequence is 0."""
    assert timepoint.tumour is not None
    empty = np.zeros(timepoint.tumour.voxels.shape, np.float32)
    scans = [timepoint.scans.get(s) for s in SEQUENCES]
    return np.stack([empty if scan is None else scan.voxels for scan in scans], axis=-1)


def _weight(dose: DoseMap, treatment: Treatment) -> np.float32:
    """Return the factor from the recorded to the RBE-weighted dose; 1 for a weighted dose map."""
    if dose.biological:
        return np.float32(1)
    phases = treatment.phases
    return np.float32(sum(map(weighted_dose, phases)) / sum(map(physical_dose, phases)))
