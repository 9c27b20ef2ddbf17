"""Measures the tumour burden of each imaging day, course by course, as RANO needs it."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Patient, Timepoint
from flame.core.imaging import LabelMap
from flame.core.treatment import courses, end_day
from flame.io.tumour_masks import ENHANCING, WHOLE
from flame.models.clinical.lesions import Lesion, lesions, near
from flame.models.clinical.rano import Assessment, Burden, Criteria, assess, baseline_of
from flame.physics.radiobiology import physical_dose, weighted_dose

_ISODOSE = 0.8
"""Share of the prescribed dose within which a new lesion may be an effect of treatment."""


@dataclass(frozen=True, eq=False)
class CourseDays:
    """Imaging days that belong to one course of radiotherapy of a patient.

    Args:
        patient: the patient with these days, and the course as treatment.
        start: day of the first fraction.
        end: day of the last fraction.
    """

    patient: Patient
    start: int
    end: int

    def rated(self, rules: Criteria) -> list[Assessment]:
        """Rate the days by criteria."""
        return assess(burdens(self.patient, rules, self.start), self.end, rules, self.start)


def by_course(patient: Patient) -> list[CourseDays]:
    """Separate the imaging days of a patient by course of radiotherapy.

    A re-irradiation starts a course of its own. Its days begin after the course before, so that the
    last of them before the re-irradiation can be the baseline.

    Args:
        patient: the patient.

    Returns:
        One entry per course, the first one also without radiotherapy.
    """
    treatments = courses(patient.treatment) if patient.treatment else [None]
    starts = [min(p.start_day for p in t.phases) if t else 0 for t in treatments]
    ends = [end_day(t) for t in treatments]
    found = []
    for number, (treatment, start) in enumerate(zip(treatments, starts, strict=True)):
        after = ends[number - 1] if number else -math.inf
        before = starts[number + 1] if number + 1 < len(starts) else math.inf
        days = tuple(t for t in patient.timepoints if after < t.day <= before)
        of_course = replace(patient, timepoints=days, treatment=treatment)
        found.append(CourseDays(of_course, start, ends[number]))
    return found


def burdens(patient: Patient, rules: Criteria, start_day: int = 0) -> list[Burden]:
    """Measure the tumour on each day with a mask.

    All days of a patient measure the same region. Targets are the largest measurable lesions at
    baseline. Later, every lesion near a target counts, measurable or not. Without targets, every
    measurable lesion counts.

    Args:
        patient: the patient with tumour masks.
        rules: criteria; they define the unit of the size and the number of targets.
        start_day: day of the first fraction of the course.

    Returns:
        Burdens in order of days.
    """
    enhancing = any(ENHANCING in t.regions for t in patient.timepoints)
    days = sorted(patient.timepoints, key=lambda t: t.day)
    masks = [(t, _mask(t, enhancing)) for t in days]
    drawn = [(t, mask) for t, mask in masks if mask is not None]
    start = baseline_of([t.day for t, _ in drawn], end_day(patient.treatment), rules, start_day)
    field = _high_dose(patient) if rules.isodose else None
    targets: NDArray[np.bool_] | None = None
    known: list[Lesion] = []
    measured = []
    for day, mask in drawn:
        spacing = np.linalg.norm(mask.affine[:3, :3], axis=0)
        present = lesions(mask)
        measurable = [lesion for lesion in present if lesion.measurable]
        if day.day == start:
            targets = near(measurable[: rules.targets], spacing)
        counted = measurable
        if targets is not None:
            counted = [lesion for lesion in present if (lesion.voxels & targets).any()]
        size = sum(x.volume if rules.unit == "ml" else x.product for x in counted)
        around = near(known, spacing)
        later = start is not None and day.day > start
        new = [
            x for x in present if later and not (around is not None and (x.voxels & around).any())
        ]
        known += [x for x in present if not any(x is y for y in new)]
        flair = day.regions[WHOLE].volume if WHOLE in day.regions else None
        measured.append(
            Burden(
                day.day,
                round(size, 3),
                bool(present),
                any(x.measurable for x in new),
                flair,
                _outside([x for x in new if x.measurable], field),
            )
        )
    return measured


def _high_dose(patient: Patient) -> NDArray[np.bool_] | None:
    """Return the voxels (x, y, z) within 80 % of the prescribed dose; None without a dose."""
    end = end_day(patient.treatment)  # a dose of a later day is that of a re-irradiation
    dose = next((t.dose for t in patient.timepoints if t.dose and t.day <= end), None)
    if dose is None or patient.treatment is None:
        return None
    gy = weighted_dose if dose.biological else physical_dose
    prescribed = sum(map(gy, patient.treatment.phases))
    return np.asarray(dose.voxels >= _ISODOSE * prescribed)


def _outside(new: list[Lesion], field: NDArray[np.bool_] | None) -> bool | None:
    """Return whether most of a new lesion lies outside the high dose; None if that is unknown."""
    if field is None:
        return None
    return any(not field[lesion.voxels].mean() >= 0.5 for lesion in new)


def _mask(day: Timepoint, enhancing: bool) -> LabelMap | None:
    """Return the mask to measure; an empty one on a day without enhancement among days with it."""
    if not enhancing or day.tumour is None:
        return day.regions.get(ENHANCING) if enhancing else day.tumour
    nothing = LabelMap(np.zeros_like(day.tumour.voxels), day.tumour.affine)
    return day.regions.get(ENHANCING, nothing)
