"""Courses of radiotherapy in use, and a patient's case under another radiation than the planned."""

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
"""Ion doses are RBE-weighted, as they are prescribed."""


def main_radiation(treatment: Treatment) -> Radiation:
    """The radiation that a course is named after: its last ion, or photons."""
    ions = [p.radiation for p in treatment.phases if p.radiation is not Radiation.PHOTON]
    return ions[-1] if ions else Radiation.PHOTON


def last_day(treatment: Treatment | None) -> int:
    """Day of the last fraction; where no course is known, of 30 fractions on weekdays."""
    phases = (treatment or COURSES[Radiation.PHOTON]).phases
    return max(day for phase in phases for day in fraction_days(phase))


def under(case: EvolutionCase, radiation: Radiation) -> EvolutionCase:
    """``case`` under ``radiation``: the planned course where it is that, else the one in use.

    The planned RBE-weighted dose map is kept and scaled to the other prescription, as a plan of
    another radiation is not known.
    """
    if main_radiation(case.treatment) is radiation:
        return case
    planned, other = (
        sum(weighted_dose(p) for p in t.phases) for t in (case.treatment, COURSES[radiation])
    )
    return replace(case, treatment=COURSES[radiation], dose=case.dose * np.float32(other / planned))
