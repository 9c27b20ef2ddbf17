"""Features of the course of a tumour up to the landmark: growth, changes of radiomics, dose."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from flame.core.cohort import Patient, Timepoint
from flame.core.imaging import LabelMap
from flame.io.tumour_masks import ENHANCING

NAN = float("nan")
_LEAST_ML = 0.01
"""Volume in ml that stands for none in logs: a few voxels of 1 mm."""
_COVERED = 0.95
"""Share of the highest dose that encloses what was treated."""

COURSE = (
    "course_visits",
    "course_days_since_imaging",
    "course_log_ml",
    "course_log_change",
    "course_log_change_nadir",
    "course_log_rate",
    "course_enhancing_log_change",
    "course_new_in_high_dose",
)
"""Names of the features of the family ``course``."""


def course(patient: Patient) -> dict[str, float]:
    """Measure how the tumour changed up to the landmark.

    Args:
        patient: patient with days up to the landmark.

    Returns:
        Number of days with a tumour mask; days from the last of them to the landmark; log of its
        last volume in ml; log ratios of that to the first volume, and to the smallest one before;
        log ratio a month between the last two; log ratio of the enhancing volume to its first; and
        the share of what is tumour last but was not at first that lies within 95 % of the highest
        dose. NaN where a mask or dose is missing.
    """
    days = [t for t in patient.timepoints if t.day <= patient.landmark and t.tumour is not None]
    if not days:
        return dict.fromkeys(COURSE, NAN)
    logs = [_log(t.tumour) for t in days]
    enhancing = [_log(t.regions.get(ENHANCING)) for t in days]
    last, first = days[-1], days[0]
    several = len(days) > 1
    months = (last.day - days[-2].day) / 30.4375 if several else NAN
    values = (
        float(len(days)),
        float(patient.landmark - last.day),
        logs[-1],
        logs[-1] - logs[0] if several else NAN,
        logs[-1] - min(logs[:-1]) if several else NAN,
        (logs[-1] - logs[-2]) / months if several and months > 0 else NAN,
        enhancing[-1] - enhancing[0] if several else NAN,
        _new_in_high_dose(first, last) if several else NAN,
    )
    return dict(zip(COURSE, values, strict=True))


def _log(mask: LabelMap | None) -> float:
    return NAN if mask is None else float(np.log(max(mask.volume, _LEAST_ML)))


def _new_in_high_dose(first: Timepoint, last: Timepoint) -> float:
    """Return the share of the new tumour within the high dose; NaN without new tumour or dose."""
    dose = last.dose or first.dose
    if dose is None or first.tumour is None or last.tumour is None:
        return NAN
    shapes = {first.tumour.voxels.shape, last.tumour.voxels.shape, dose.voxels.shape}
    if len(shapes) > 1:
        return NAN
    new = (last.tumour.voxels > 0) & ~(first.tumour.voxels > 0)
    if not new.any():
        return NAN
    return float((dose.voxels[new] >= _COVERED * dose.voxels.max()).mean())


def delta(first: dict[str, float], last: dict[str, float]) -> dict[str, float]:
    """Subtract the features of the first day from those of the last (delta-radiomics).

    Args:
        first: features by name.
        last: features by name.

    Returns:
        ``delta_NAME`` for each name.
    """
    return {f"delta_{name}": last[name] - first[name] for name in last}


def before_landmark(patient: Patient, landmark: float) -> Patient:
    """Set the landmark of a patient, and leave out later days.

    Args:
        patient: the patient.
        landmark: day from the start of radiotherapy.

    Returns:
        The patient as known on that day.
    """
    days: Iterable[Timepoint] = (t for t in patient.timepoints if t.day <= landmark)
    return replace(patient, timepoints=tuple(days), landmark=landmark)
