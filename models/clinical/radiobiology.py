"""Dose and effect: LQ survival, BED, EQD2 and the RBE of protons and carbon.

LQ: S = exp(-alpha D - beta d D) of a dose D in fractions of d Gy (Fowler 1989,
doi:10.1259/0007-1285-62-740-679). RBE is applied to physical doses only, never to an RBE-weighted
one (DICOM DoseType EFFECTIVE).
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flame.core.registry import Registry
from flame.core.treatment import Phase, Radiation, Treatment

Array = NDArray[np.float64]

ALPHA_BETA = 8.0
"""alpha/beta of glioblastoma in Gy (fits range over 5 to 10.8)."""
LATE_BRAIN = 3.0
"""That of late reactions of the brain in Gy (Lawrence 2010, doi:10.1016/j.ijrobp.2009.02.091)."""
RBE = {Radiation.PHOTON: 1.0, Radiation.PROTON: 1.1, Radiation.CARBON: 3.0}
"""Fixed RBE, where the LET is unknown."""
RBE_MODEL = {Radiation.PROTON: "mcnamara", Radiation.CARBON: "mkm"}
"""RBE model where the LET is known."""

RBE_LIMITS: Registry[Callable[[float, float], tuple[float, float]]] = Registry("RBE model")
"""LETd in keV/um and alpha/beta in Gy in, RBE in the limits of no and of large dose out."""


@RBE_LIMITS.register("mcnamara")
def mcnamara(let: float, alpha_beta: float) -> tuple[float, float]:
    """Protons, McNamara 2015 (doi:10.1088/0031-9155/60/21/8399)."""
    return (
        0.99064 + 0.35605 * let / alpha_beta,
        1.1012 - 0.0038703 * math.sqrt(alpha_beta) * let,
    )


@RBE_LIMITS.register("wedenberg")
def wedenberg(let: float, alpha_beta: float) -> tuple[float, float]:
    """Protons, Wedenberg 2013 (doi:10.3109/0284186X.2012.705892)."""
    return 1 + 0.434 * let / alpha_beta, 1.0


@RBE_LIMITS.register("carabe")
def carabe(let: float, alpha_beta: float) -> tuple[float, float]:
    """Protons, Carabe 2012 (doi:10.1088/0031-9155/57/5/1159); its 2.686 Gy is alpha/beta of V79."""
    relative = 2.686 * let / alpha_beta
    return 0.843 + 0.154 * relative, 1.09 + 0.006 * relative


@RBE_LIMITS.register("mkm")
def mkm(let: float, alpha_beta: float) -> tuple[float, float]:
    """Carbon, microdosimetric-kinetic model with saturation, Kase 2006 (doi:10.1667/RR3536.1).

    Domains of 0.42 um and saturation at 150 keV/um (HSG cells); LETd stands for the lineal energy.
    alpha of the ion is that of photons plus beta times the dose to a domain by one event.
    """
    saturated = 150.0**2 * -math.expm1(-((let / 150.0) ** 2)) / let if let > 0 else 0.0
    event_gy = 0.1602 * saturated / (math.pi * 0.42**2)
    return 1 + event_gy / alpha_beta, 1.0


def rbe(dose: Array | float, let: float, alpha_beta: float, model: str) -> Array:
    """RBE of a physical ``dose`` in Gy a fraction at LETd ``let`` in keV/um by ``model``.

    [sqrt(r^2 + 4 D r RBEmax + 4 D^2 RBEmin^2) - r] / 2 D with r = alpha/beta.
    """
    low, high = RBE_LIMITS[model](let, alpha_beta)
    d, r = np.maximum(np.asarray(dose, float), 1e-9), alpha_beta
    return np.asarray((np.sqrt(r**2 + 4 * d * r * low + 4 * (d * high) ** 2) - r) / (2 * d))


def weighted_dose(phase: Phase, alpha_beta: float = ALPHA_BETA, model: str = "") -> float:
    """RBE-weighted dose of a phase in Gy(RBE), by ``model`` or RBE_MODEL where the LET is known."""
    if phase.biological or phase.radiation is Radiation.PHOTON:
        return phase.dose
    if phase.let is None:
        return phase.dose * RBE[phase.radiation]
    model = model or RBE_MODEL[phase.radiation]
    return phase.dose * float(rbe(phase.dose / phase.fractions, phase.let, alpha_beta, model))


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


def surviving_fraction(dose: Array | float, alpha: float, beta: float) -> Array:
    """LQ survival of one fraction of ``dose`` Gy(RBE); alpha in 1/Gy, beta in 1/Gy2."""
    d = np.asarray(dose, float)
    return np.asarray(np.exp(-alpha * d - beta * d * d))


def fraction_days(phase: Phase) -> list[int]:
    """Days of the fractions of a phase from the start of radiotherapy: five a week."""
    return [phase.start_day + n // 5 * 7 + n % 5 for n in range(phase.fractions)]
