"""Counterfactual radiotherapy: standard courses, and a patient's case under another radiation."""

from dataclasses import replace

import numpy as np

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.clinical.radiobiology import fraction_days, weighted_dose
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
    """Return the radiation that characterises a course: the last ion, else photons.

    Args:
        treatment: course of radiotherapy.

    Example:
        >>> str(main_radiation(COURSES[Radiation.CARBON]))  # after photons
        'carbon'
    """
    ions = [p.radiation for p in treatment.phases if p.radiation is not Radiation.PHOTON]
    return ions[-1] if ions else Radiation.PHOTON


def last_day(treatment: Treatment | None) -> int:
    """Return the day of the last fraction, counted from the start of radiotherapy.

    Args:
        treatment: course of radiotherapy; None: 30 fractions, five a week.

    Example:
        >>> last_day(None)
        39
    """
    phases = (treatment or COURSES[Radiation.PHOTON]).phases
    return max(day for phase in phases for day in fraction_days(phase))


def under(case: EvolutionCase, radiation: Radiation) -> EvolutionCase:
    """Return a case under another radiation.

    If the planned course has that main radiation, the case is returned unchanged. Otherwise the
    standard course replaces it, and the planned RBE-weighted dose map is scaled to its
    prescription, as the dose distribution of a new plan is unknown.

    Args:
        case: case with the planned course.
        radiation: radiation to forecast.
    """
    if main_radiation(case.treatment) is radiation:
        return case
    planned, other = (
        sum(weighted_dose(p) for p in t.phases) for t in (case.treatment, COURSES[radiation])
    )
    return replace(case, treatment=COURSES[radiation], dose=case.dose * np.float32(other / planned))
