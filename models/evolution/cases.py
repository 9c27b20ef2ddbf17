"""Conversion of a patient's images, masks and radiotherapy into an evolution case."""

import math

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Patient, Timepoint
from flame.core.errors import BadInput
from flame.core.imaging import DoseMap, Sequence
from flame.core.treatment import Treatment, courses, end_day
from flame.models.clinical.radiobiology import physical_dose, weighted_dose
from flame.models.evolution.model import EvolutionCase

SEQUENCES = (Sequence.T1C, Sequence.FLAIR)
"""Sequences in the order of the channels of a case's images."""

Volume = NDArray[np.float32]

_OPERATED = 1.5
"""Ratio of the earlier to the baseline volume above which surgery in between is assumed. The
earlier image then carries no information about growth.
"""


def evolution_case(patient: Patient, white: Volume, grey: Volume, centre: str) -> EvolutionCase:
    """Build the evolution case of a patient whose images, masks and dose lie on one cube.

    Only the first course counts: days from a re-irradiation on are left out.

    The baseline is ``Patient.start``. If the tumour on the day before it is more than 1.5 times as
    large, surgery in between is assumed, and the earlier image is ignored. Masks and days are
    enough: a plan and a dose that are not there stay unknown.

    Args:
        patient: patient on the cube.
        white: white-matter fraction (x, y, z) on the cube, 0 to 1.
        grey: grey-matter fraction (x, y, z) on the cube, 0 to 1.
        centre: name of the centre.

    Returns:
        The case, with every later day that has a tumour mask.

    Raises:
        BadInput: there is no tumour mask; the message names the patient.
    """
    baseline = patient.start
    if baseline is None or baseline.tumour is None:
        raise BadInput(
            f"centre {centre}: patient {patient.pseudonym} has no tumour mask; draw a GTV, or "
            "predict one"
        )
    tumour = baseline.tumour
    drawn = [(t, t.tumour) for t in patient.timepoints if t.tumour is not None]
    before = [(t, m) for t, m in drawn if t.day < baseline.day]
    first, *again = courses(patient.treatment) if patient.treatment else [None]
    until = again[0].phases[0].start_day if again and again[0] else math.inf
    planned = _planned(patient, baseline, first)
    dose = planned.dose if planned else None
    # An empty mask before the baseline is a tumour that was taken out whole.
    earlier = before[-1] if before and before[-1][1].voxels.any() else None
    if earlier and earlier[1].volume > _OPERATED * tumour.volume:
        earlier = None
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
        dose.voxels * _weight(dose, first) if dose and first else None,
        first,
        (earlier[0].day, earlier[1].voxels > 0) if earlier else None,
        tuple((t.day, m.voxels > 0) for t, m in drawn if max(baseline.day, 0) < t.day < until),
        patient.clinical.get("mgmt", float("nan")),
        _phase_doses(planned, first) if planned and first else None,
    )


def _planned(patient: Patient, baseline: Timepoint, course: Treatment | None) -> Timepoint | None:
    """Return the day whose dose is that of the course: the baseline, or the first with one.

    The dose of a day after the course is that of a re-irradiation.
    """
    end = end_day(course) if course else -math.inf
    return next((t for t in (baseline, *patient.timepoints) if t.dose and t.day <= end), None)


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
