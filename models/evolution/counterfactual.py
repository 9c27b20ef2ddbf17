"""Counterfactual radiotherapy: a case with another radiation, at the same or another dose."""

from dataclasses import replace

import numpy as np

from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation, Treatment, fraction_days
from flame.models.evolution.model import EvolutionCase
from flame.physics.radiobiology import weighted_dose


def main_radiation(treatment: Treatment) -> Radiation:
    """Find the radiation that characterises a course: the last ion, or else photons.

    Args:
        treatment: course of radiotherapy.

    Returns:
        Radiation of the last phase with ions; photons without such a phase.

    Example:
        >>> photons = Phase(Radiation.PHOTON, 50.0, 25)
        >>> boost = Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True)
        >>> str(main_radiation(Treatment((photons, boost))))
        'carbon'
    """
    ions = [p.radiation for p in treatment.phases if p.radiation is not Radiation.PHOTON]
    return ions[-1] if ions else Radiation.PHOTON


def same_course(treatment: Treatment, radiation: Radiation) -> Treatment:
    """Give a course with another radiation: the same RBE-weighted doses, fractions and days.

    Equal fractions of equal RBE-weighted dose have an equal BED. What differs between the courses
    is the radiation, and not the prescription.

    Args:
        treatment: the planned course.
        radiation: radiation of all phases.

    Returns:
        The course.

    Example:
        >>> planned = Treatment((Phase(Radiation.PHOTON, 40.05, 15),))
        >>> (phase,) = same_course(planned, Radiation.CARBON).phases
        >>> phase.dose, phase.fractions, phase.biological
        (40.05, 15, True)
    """
    return Treatment(
        tuple(
            Phase(
                radiation,
                weighted_dose(phase),
                phase.fractions,
                phase.start_day,
                biological=radiation is not Radiation.PHOTON,
            )
            for phase in treatment.phases
        )
    )


def comparable(case: EvolutionCase) -> bool:
    """Tell whether radiations can be compared: plan and dose are known, and all is to come."""
    to_come = all(fraction_days(phase)[0] >= case.day for phase in case.phases)
    return case.treatment is not None and case.dose is not None and to_come


def under(
    case: EvolutionCase, radiation: Radiation, course: Treatment | None = None
) -> EvolutionCase:
    """Replace the radiation of a case.

    By default the course of the same doses and fractions replaces the planned one, and the planned
    RBE-weighted dose map stays. A course of a hospital's own protocol scales that map to its
    prescription. The dose distribution of a new plan is unknown in both cases.

    Args:
        case: case with the planned course.
        radiation: radiation to forecast.
        course: course of that radiation; None: see ``same_course``.

    Returns:
        The new case; the same case if its planned course has that main radiation and ``course`` is
        None.

    Raises:
        BadInput: the plan or the dose is unknown, or radiotherapy has begun.
    """
    if case.treatment is None or case.dose is None or not comparable(case):
        raise BadInput(
            f"{case.pseudonym}: another radiation can be compared before radiotherapy only, with "
            "its plan and dose"
        )
    if course is None:
        if main_radiation(case.treatment) is radiation:
            return case
        return replace(case, treatment=same_course(case.treatment, radiation))
    planned_gy = sum(weighted_dose(phase) for phase in case.treatment.phases)
    prescribed_gy = sum(weighted_dose(phase) for phase in course.phases)
    dose = case.dose * np.float32(prescribed_gy / planned_gy)
    return replace(case, treatment=course, dose=dose, phase_doses=None)
