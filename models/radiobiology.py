"""Dose and effect: LQ survival, BED, EQD2 and the RBE of protons and carbon."""

import math

from flame.core.treatment import Phase, Radiation, Treatment

ALPHA_BETA = 8.0
"""alpha/beta of glioblastoma in Gy (fits range over 5 to 10.8)."""
RBE = {Radiation.PHOTON: 1.0, Radiation.PROTON: 1.1, Radiation.CARBON: 3.0}
"""RBE used where a dose is physical; never applied to an RBE-weighted dose."""


def weighted_dose(phase: Phase) -> float:
    """RBE-weighted dose of a phase in Gy(RBE)."""
    return phase.dose if phase.biological else phase.dose * RBE[phase.radiation]


def bed(treatment: Treatment, alpha_beta: float = ALPHA_BETA) -> float:
    """Biologically effective dose of a course in Gy: sum of D(1 + d/(alpha/beta))."""
    total = 0.0
    for phase in treatment.phases:
        dose = weighted_dose(phase)
        total += dose * (1 + dose / phase.fractions / alpha_beta)
    return total


def eqd2(treatment: Treatment, alpha_beta: float = ALPHA_BETA) -> float:
    """Equivalent dose in 2 Gy fractions in Gy: BED / (1 + 2/(alpha/beta))."""
    return bed(treatment, alpha_beta) / (1 + 2 / alpha_beta)


def surviving_fraction(dose: float, alpha: float, beta: float) -> float:
    """LQ survival of one fraction of ``dose`` Gy; alpha in 1/Gy, beta in 1/Gy2."""
    return math.exp(-alpha * dose - beta * dose * dose)
