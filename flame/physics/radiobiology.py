"""Radiobiology: linear-quadratic (LQ) survival, BED, EQD2, and the RBE of protons and carbon ions.

The LQ model gives the surviving fraction S = exp(-alpha D - beta d D) of cells for a dose D in
fractions of d Gy. The relative biological effectiveness (RBE) multiplies physical doses only, never
an RBE-weighted one (DICOM DoseType EFFECTIVE).

Reference:
    Fowler 1989, doi:10.1259/0007-1285-62-740-679 (LQ model).
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flame.core.registry import Registry
from flame.core.treatment import Phase, Radiation, Treatment

Array = NDArray[np.float64]

ALPHA_BETA = 8.0
"""alpha/beta of glioblastoma in Gy; published fits range from 5 to 10.8."""
LATE_BRAIN = 3.0
"""alpha/beta of late brain toxicity in Gy (Lawrence 2010, doi:10.1016/j.ijrobp.2009.02.091)."""
RBE = {Radiation.PHOTON: 1.0, Radiation.PROTON: 1.1, Radiation.CARBON: 3.0}
"""Fixed RBE of each radiation, used where the LET is unknown."""
RBE_MODEL = {Radiation.PROTON: "mcnamara", Radiation.CARBON: "mkm"}
"""Name of the RBE model of each ion, used where the LET is known."""

RBE_LIMITS: Registry[Callable[[float, float], tuple[float, float]]] = Registry("RBE model")
"""RBE models by name.

A model takes the dose-averaged LET (LETd) in keV/um and alpha/beta in Gy. It returns RBEmax, the
limit at zero dose, and RBEmin, the limit at large dose.
"""


@RBE_LIMITS.register("mcnamara")
def mcnamara(let: float, alpha_beta: float) -> tuple[float, float]:
    """Compute RBEmax and RBEmin of protons by the model of McNamara.

    RBEmax = 0.99064 + 0.35605 LETd / (alpha/beta), RBEmin = 1.1012 - 0.0038703 sqrt(alpha/beta)
    LETd.

    Args:
        let: LETd in keV/um.
        alpha_beta: alpha/beta of photons in Gy.

    Returns:
        RBEmax and RBEmin, without unit.

    Reference:
        McNamara et al. 2015, doi:10.1088/0031-9155/60/21/8399.

    Example:
        >>> [round(limit, 3) for limit in mcnamara(2.0, 4.0)]
        [1.169, 1.086]
    """
    return (
        0.99064 + 0.35605 * let / alpha_beta,
        1.1012 - 0.0038703 * math.sqrt(alpha_beta) * let,
    )


@RBE_LIMITS.register("wedenberg")
def wedenberg(let: float, alpha_beta: float) -> tuple[float, float]:
    """Compute RBEmax and RBEmin of protons by the model of Wedenberg.

    RBEmax = 1 + 0.434 LETd / (alpha/beta), RBEmin = 1.

    Args:
        let: LETd in keV/um.
        alpha_beta: alpha/beta of photons in Gy.

    Returns:
        RBEmax and RBEmin, without unit.

    Reference:
        Wedenberg et al. 2013, doi:10.3109/0284186X.2012.705892.

    Example:
        >>> wedenberg(2.0, 4.0)
        (1.217, 1.0)
    """
    return 1 + 0.434 * let / alpha_beta, 1.0


@RBE_LIMITS.register("carabe")
def carabe(let: float, alpha_beta: float) -> tuple[float, float]:
    """Compute RBEmax and RBEmin of protons by the model of Carabe.

    With L = 2.686 LETd / (alpha/beta): RBEmax = 0.843 + 0.154 L, RBEmin = 1.09 + 0.006 L. The
    constant 2.686 Gy is alpha/beta of V79 cells.

    Args:
        let: LETd in keV/um.
        alpha_beta: alpha/beta of photons in Gy.

    Returns:
        RBEmax and RBEmin, without unit.

    Reference:
        Carabe et al. 2012, doi:10.1088/0031-9155/57/5/1159.

    Example:
        >>> [round(limit, 3) for limit in carabe(2.0, 4.0)]
        [1.05, 1.098]
    """
    relative = 2.686 * let / alpha_beta
    return 0.843 + 0.154 * relative, 1.09 + 0.006 * relative


@RBE_LIMITS.register("linear-let")
def linear_let(let: float, alpha_beta: float) -> tuple[float, float]:
    """Compute the limits of the RBE of protons that grows with LET alone: RBE = 1 + 0.10 LETd.

    Both limits are equal, so that the RBE depends neither on the dose nor on the tissue.

    Args:
        let: LETd in keV/um.
        alpha_beta: not used.

    Returns:
        RBEmax and RBEmin.

    Reference:
        arXiv:2604.10174.

    Example:
        >>> round(float(rbe(2.0, let=2.5, alpha_beta=4.0, model="linear-let")), 6)
        1.25
    """
    return 1 + 0.10 * let, 1 + 0.10 * let


@RBE_LIMITS.register("mkm")
def mkm(let: float, alpha_beta: float) -> tuple[float, float]:
    """Compute RBEmax and RBEmin of carbon ions by the saturated microdosimetric-kinetic model.

    alpha of the ion is that of photons plus beta z, where z is the dose of one event to a domain:
    RBEmax = 1 + z / (alpha/beta), RBEmin = 1. LETd stands for the lineal energy. Domains have a
    radius of 0.42 um, and lineal energy saturates at 150 keV/um (HSG cells).

    Args:
        let: LETd in keV/um; 0 gives an RBE of 1.
        alpha_beta: alpha/beta of photons in Gy.

    Returns:
        RBEmax and RBEmin, without unit.

    Reference:
        Kase et al. 2006, doi:10.1667/RR3536.1.

    Example:
        >>> [round(limit, 2) for limit in mkm(50.0, 8.0)]
        [2.71, 1.0]
    """
    return 1 + _event_gy(let) / alpha_beta, 1.0


@RBE_LIMITS.register("mkm-kase")
def mkm_kase(let: float, alpha_beta: float) -> tuple[float, float]:
    """Compute RBEmax and RBEmin of carbon ions by the MKM with all parameters of Kase.

    alpha of the ion is alpha0 plus beta z, and alpha0 is smaller than alpha of the X-rays that the
    RBE refers to: 0.13 and 0.19 1/Gy for HSG cells. RBEmax = 0.13 / 0.19 + z / (alpha/beta), RBEmin
    = 1. ``mkm`` sets alpha0 to that of photons, so that an ion of no LET has an RBE of 1.

    Args:
        let: LETd in keV/um.
        alpha_beta: alpha/beta of photons in Gy; that of HSG cells is 3.8.

    Returns:
        RBEmax and RBEmin, without unit.

    Reference:
        Kase et al. 2006, doi:10.1667/RR3536.1.

    Example:
        >>> [round(limit, 2) for limit in mkm_kase(50.0, 3.8)]
        [4.28, 1.0]
    """
    return 0.13 / 0.19 + _event_gy(let) / alpha_beta, 1.0


def _event_gy(let: float) -> float:
    """Return the dose in Gy of one event to a domain, saturated at high LET (Kase 2006)."""
    saturated = 150.0**2 * -math.expm1(-((let / 150.0) ** 2)) / let if let > 0 else 0.0
    return 0.1602 * saturated / (math.pi * 0.42**2)


def rbe(dose: Array | float, let: float, alpha_beta: float, model: str) -> Array:
    """Compute the RBE of a physical dose per fraction.

    RBE = [sqrt(r^2 + 4 d r RBEmax + 4 d^2 RBEmin^2) - r] / (2 d), with r = alpha/beta.

    Args:
        dose: physical dose d per fraction in Gy, of any shape.
        let: LETd in keV/um.
        alpha_beta: alpha/beta of photons in Gy.
        model: name in RBE_LIMITS.

    Returns:
        RBE, of the shape of ``dose``.

    Example:
        >>> round(float(rbe(2.0, let=2.0, alpha_beta=4.0, model="wedenberg")), 3)
        1.106
    """
    rbe_max, rbe_min = RBE_LIMITS[model](let, alpha_beta)
    # The formula divides by the dose; its limit at zero dose is RBEmax.
    d = np.maximum(np.asarray(dose, float), 1e-9)
    r = alpha_beta
    return np.asarray((np.sqrt(r**2 + 4 * d * r * rbe_max + 4 * (d * rbe_min) ** 2) - r) / (2 * d))


def weighted_dose(phase: Phase, alpha_beta: float = ALPHA_BETA, model: str = "") -> float:
    """Compute the RBE-weighted dose of a phase: its physical dose times the RBE.

    Args:
        phase: one phase of a course.
        alpha_beta: alpha/beta of photons in Gy, for the RBE model.
        model: name in RBE_LIMITS for a phase of known LET; empty: that of RBE_MODEL. Without LET
            the fixed RBE applies.

    Returns:
        Dose in Gy(RBE). A photon dose and an already RBE-weighted dose are returned unchanged.

    Example:
        >>> round(weighted_dose(Phase(Radiation.PROTON, dose=60.0, fractions=30)), 6)
        66.0
    """
    if phase.biological or phase.radiation is Radiation.PHOTON:
        return phase.dose
    if phase.let is None:
        return phase.dose * RBE[phase.radiation]
    model = model or RBE_MODEL[phase.radiation]
    return phase.dose * float(rbe(phase.dose / phase.fractions, phase.let, alpha_beta, model))


def physical_dose(phase: Phase) -> float:
    """Return the physical dose of a phase in Gy, by the fixed RBE for an RBE-weighted one.

    Args:
        phase: one phase of a course.

    Returns:
        Dose in Gy.

    Example:
        >>> physical_dose(Phase(Radiation.CARBON, 18.0, 6, biological=True))
        6.0
    """
    return phase.dose / RBE[phase.radiation] if phase.biological else phase.dose


def bed(treatment: Treatment, alpha_beta: float = ALPHA_BETA) -> float:
    """Compute the biologically effective dose (BED) of a course.

    BED is the sum of D (1 + d / (alpha/beta)) over phases, where D is the RBE-weighted dose of a
    phase and d that of one of its fractions. Where the LET is known, the RBE is that of the tissue.

    Args:
        treatment: course of radiotherapy.
        alpha_beta: alpha/beta of the tissue in Gy.

    Returns:
        BED in Gy.

    Example:
        >>> bed(Treatment((Phase(Radiation.PHOTON, dose=60.0, fractions=30),)))
        75.0
    """
    total = 0.0
    for phase in treatment.phases:
        dose = weighted_dose(phase, alpha_beta)
        total += dose * (1 + dose / phase.fractions / alpha_beta)
    return total


def eqd2(treatment: Treatment, alpha_beta: float = ALPHA_BETA) -> float:
    """Compute the equivalent dose in 2 Gy fractions (EQD2): BED / (1 + 2 / (alpha/beta)).

    Args:
        treatment: course of radiotherapy.
        alpha_beta: alpha/beta of the tissue in Gy.

    Returns:
        EQD2 in Gy.

    Example:
        >>> eqd2(Treatment((Phase(Radiation.PHOTON, dose=60.0, fractions=30),)))
        60.0
    """
    return bed(treatment, alpha_beta) / (1 + 2 / alpha_beta)


def surviving_fraction(dose: Array | float, alpha: float, beta: float) -> Array:
    """Compute the surviving fraction of cells after one fraction: exp(-alpha d - beta d^2).

    Args:
        dose: dose d in Gy(RBE), of any shape.
        alpha: linear coefficient in 1/Gy.
        beta: quadratic coefficient in 1/Gy^2.

    Returns:
        Surviving fraction from 0 to 1, of the shape of ``dose``.

    Example:
        >>> round(float(surviving_fraction(2.0, alpha=0.1, beta=0.0125)), 4)  # exp(-0.25)
        0.7788
    """
    d = np.asarray(dose, float)
    return np.asarray(np.exp(-alpha * d - beta * d * d))
