"""What makes radiation-induced enhancement likely: the place, and dose times LET.

Enhancement that radiation causes, and no tumour, is most frequent around the ventricles and where
protons have a high LET: Eulitz 2019 (Acta Oncol 58:1536), Bahn 2020 (Int J Radiat Oncol Biol Phys
107:571). Both are covariates, and no diagnosis.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from flame.core.cohort import Patient, Timepoint, View
from flame.core.treatment import Phase, Radiation
from flame.physics.radiobiology import physical_dose, weighted_dose

FEATURES = ("risk.periventricular", "risk.dose-let")
"""Share of the volume within NEAR_MM of the lateral ventricles, and its mean physical dose times
LETd, in Gy keV/um; photons count 0. The volume is the tumour that is new since the first day, or
all of it where nothing is."""
NEAR_MM = 4.0
"""Width of the periventricular region in mm."""
_FLUID = 0.3
"""Share of white and grey matter below which a voxel deep in the template is fluid."""
_DEEP_MM = 15.0
"""Least depth in mm of the ventricles below the surface of the brain."""
_BESIDE_MM, _LEAST_ML = 5.0, 2.0
"""Distance in mm of the centre of a lateral ventricle from the midline, and its least volume."""

Mask = NDArray[np.bool_]


def outside_risk(patient: Patient) -> dict[str, float]:
    """Compute the covariates on the last day with a tumour up to the landmark.

    Args:
        patient: the patient with masks and, for the second, doses and a course.

    Returns:
        ``FEATURES`` by name; NaN without a tumour, without a fit to the template, or where a dose
        or the LET of an ion is unknown.
    """
    days = [t for t in patient.timepoints if t.day <= patient.landmark and t.tumour is not None]
    if not days or not _new(days).any():
        return dict.fromkeys(FEATURES, float("nan"))
    new = _new(days)
    values = (_near(days[-1], new), _dose_let(patient, days, new))
    return dict(zip(FEATURES, values, strict=True))


def _new(days: list[Timepoint]) -> Mask:
    """Return what is tumour on the last day and not on the first, or else the whole tumour."""
    first, last = days[0].tumour, days[-1].tumour
    assert first is not None
    assert last is not None
    drawn = last.voxels > 0
    if first.voxels.shape != drawn.shape or not np.allclose(first.affine, last.affine):
        return np.asarray(drawn)
    new = drawn & ~(first.voxels > 0)
    return np.asarray(new if new.any() else drawn)


def _near(day: Timepoint, new: Mask) -> float:
    """Return the share of voxels within NEAR_MM of the ventricles of the template."""
    # Imported here, and below: tables need no library of images.
    from flame.preprocessing.stages.atlas_registration import MNI152
    from flame.preprocessing.stages.interpolation import resample

    assert day.tumour is not None
    if day.template not in ("", MNI152):
        return float("nan")
    to_template = np.eye(4) if day.to_template is None else day.to_template
    distance, affine = _distance()
    near = resample(distance, affine, to_template @ day.tumour.affine, new.shape)
    inside = resample(np.ones_like(distance), affine, to_template @ day.tumour.affine, new.shape)
    return float(((near <= NEAR_MM) & (inside > 0.5))[new].mean())


@cache
def _distance() -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the distance in mm to the lateral ventricles of MNI152, and its affine."""
    from scipy.ndimage import center_of_mass, distance_transform_edt, label

    from flame.preprocessing.stages.atlas_registration import template, tissues

    atlas = template(spacing=1.0)
    white, grey = tissues(atlas.affine, atlas.t1.shape)
    fluid = (white + grey < _FLUID) & (distance_transform_edt(atlas.brain) > _DEEP_MM)
    parts, count = label(fluid)
    ventricles = np.zeros(fluid.shape, bool)
    for number in range(1, count + 1):
        part = parts == number
        if part.sum() >= _LEAST_ML * 1000:
            x = (atlas.affine @ [*center_of_mass(part), 1])[0]
            ventricles |= part if abs(x) > _BESIDE_MM else False
    return distance_transform_edt(~ventricles).astype(np.float32), atlas.affine


def _dose_let(patient: Patient, days: list[Timepoint], new: Mask) -> float:
    """Return the mean of physical dose times LETd of the course so far, in Gy keV/um."""
    from flame.models.evolution.cases import course_of

    course, since, _ = course_of(patient.treatment, math.ceil(patient.landmark))
    dosed = next((t for t in days if t.dose is not None and t.day > since), None)
    if dosed is None or dosed.dose is None or course is None:
        return float("nan")
    phases, grid = course.phases, days[-1].tumour
    assert grid is not None
    alike = dosed.dose.voxels.shape == new.shape and np.allclose(dosed.dose.affine, grid.affine)
    if not alike or any(_let(p) is None for p in phases):
        return float("nan")
    apart = len(dosed.phase_doses) == len(phases)
    sums = 0.0
    for number, phase in enumerate(phases):
        known = dosed.phase_doses[number] if apart else dosed.dose
        prescribed = weighted_dose if known.biological else physical_dose
        whole = prescribed(phase) if apart else sum(map(prescribed, phases))
        physical = known.voxels[new].mean() * physical_dose(phase) / whole
        sums += float(physical) * (_let(phase) or 0.0)
    return sums


def _let(phase: Phase) -> float | None:
    return 0.0 if phase.radiation is Radiation.PHOTON else phase.let


def with_risk(view: View, features: Iterable[str]) -> View:
    """Make a view add the covariates, if a model uses any.

    Args:
        view: the view.
        features: features of the model.

    Returns:
        The view, or the same one if no feature is of ``FEATURES``.
    """
    if not set(features) & set(FEATURES):
        return view

    def measured(patient: Patient) -> Patient:
        found = outside_risk(patient)
        return view(replace(patient, clinical={**patient.clinical, **found}))

    return measured
