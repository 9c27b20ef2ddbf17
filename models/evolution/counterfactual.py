"""Counterfactual radiotherapy: standard courses, and a case with another radiation."""

from dataclasses import replace

import numpy as np

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.clinical.radiobiology import weighted_dose
from flame.models.evolution.model import EvolutionCase

COURSES = {
    Radiation.PHOTON: Treatment((Phase(Radiation.PHOTON, 60.0, 30),)),
    Radiation.PROTON: Treatment((Phase(Radiation.PROTON, 60.0, 30, biological=True),)),
    Radiation.CARBON: Treatment(
        (
            Phase(Radiation.PHOTON, 50.0, 25),
            Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True),
        )
    ),
}
"""Standard course of each radiation; ion doses are RBE-weighted, as they are prescribed."""


def main_radiation(treatment: Treatment) -> Radiation:
    """Find the radiation that characterises a course: the last ion, or else photons.

    Args:
        treatment: course of radiotherapy.

    Returns:
        Radiation of the last phase with ions; photons without such a phase.

    Example:
        >>> str(main_radiation(COURSES[Radiation.CARBON]))  # after photons
        'carbon'
    """
    ions = [p.radiation for p in treatment.phases if p.radiation is not Radiation.PHOTON]
    return ions[-1] if ions else Radiation.PHOTON


def under(case: EvolutionCase, radiation: Radiation) -> EvolutionCase:
    """Replace the radiation of a case.

    The standard course of the radiation replaces the planned course. The planned RBE-weighted dose
    map is scaled to the new prescription, as the dose distribution of a new plan is unknown.

    Args:
        case: case with the planned course.
        radiation: radiation to forecast.

    Returns:
        The new case; the same case if its planned course already has that main radiation.
    """
    if main_radiation(case.treatment) is radiation:
        return case
    course = COURSES[radiation]
    planned_gy = sum(weighted_dose(phase) for phase in case.treatment.phases)
    prescribed_gy = sum(weighted_dose(phase) for phase in course.phases)
    dose = case.dose * np.float32(prescribed_gy / planned_gy)
    return replace(case, treatment=course, dose=dose, phase_doses=None)
