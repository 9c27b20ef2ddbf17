"""BED10 and EQD2 of schedules in use (Fowler 1989), and published RBE values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame.core.treatment import Phase, Radiation, Treatment, fraction_days
from flame.physics.radiobiology import (
    LATE_BRAIN,
    RBE_LIMITS,
    bed,
    eqd2,
    mkm,
    rbe,
    surviving_fraction,
    weighted_dose,
)

PHOTON, PROTON, CARBON = Radiation


def course(*phases: tuple[Radiation, float, int]) -> Treatment:
    return Treatment(tuple(Phase(r, d, n, biological=True) for r, d, n in phases))


@pytest.mark.parametrize(
    ("treatment", "bed10", "eqd"),
    [
        (course((PHOTON, 60, 30)), 72.0, 60.0),
        (course((PHOTON, 40.05, 15)), 50.7, 42.3),
        (course((PHOTON, 50, 25), (CARBON, 18, 6)), 83.4, 69.5),
        (course((PHOTON, 50, 25), (PROTON, 10, 5)), 72.0, 60.0),
        (course((CARBON, 15, 3), (PROTON, 60, 30)), 94.5, 78.8),
    ],
)
def test_bed_and_eqd2(treatment: Treatment, bed10: float, eqd: float) -> None:
    assert bed(treatment, 10) == pytest.approx(bed10, abs=0.06)
    assert eqd2(treatment, 10) == pytest.approx(eqd, abs=0.06)


@pytest.mark.parametrize(("let", "expected"), [(2, 1.07), (4, 1.11), (8, 1.20)])
def test_mcnamara_at_1_8_gy_and_alpha_beta_10(let: float, expected: float) -> None:
    assert float(rbe(1.8, let, 10, "mcnamara")) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("model", "let", "expected"),
    [
        # By hand, D = 2 Gy, r = 10 Gy. Wedenberg at 5: RBEmax 1.217, (sqrt(213.36) - 10) / 4.
        ("wedenberg", 5.0, 1.15172),
        # Carabe at 5: RBEmax 0.843 + 0.154 * 1.343 = 1.049822, RBEmin 1.09 + 0.006 * 1.343 =
        # 1.098058, (sqrt(100 + 83.98576 + 19.29170) - 10) / 4.
        ("carabe", 5.0, 1.06437),
        # MKM at 80: y* = 22500 (1 - exp(-0.284444)) / 80 = 69.6253, z = 0.1602 y* / 0.554177 =
        # 20.1271 Gy, RBEmax 3.01271, (sqrt(100 + 241.0168 + 16) - 10) / 4.
        ("mkm", 80.0, 2.22371),
    ],
)
def test_rbe_by_hand(model: str, let: float, expected: float) -> None:
    assert float(rbe(2.0, let, 10, model)) == pytest.approx(expected, abs=2e-4)


def test_carbon_saturates_beyond_150_kev_um() -> None:
    values = [mkm(let, 8)[0] for let in (0, 20, 80, 150, 300, 600)]
    assert values[0] == 1
    assert max(values) == values[3]  # overkill: more LET does less
    assert 2.0 < float(rbe(3.0, 80, 8, "mkm")) < 3.5  # the range of carbon in use


@given(
    model=st.sampled_from(list(RBE_LIMITS)),
    let=st.floats(0.5, 100),
    alpha_beta=st.floats(2, 12),
    dose=st.floats(0.1, 10),
)
def test_rbe_weighted_photons_have_the_effect_of_the_ions(
    model: str, let: float, alpha_beta: float, dose: float
) -> None:
    # The definition of RBE: equal effect, alpha RBEmax d + beta RBEmin^2 d^2 of the ions.
    low, high = RBE_LIMITS[model](let, alpha_beta)
    equal = float(rbe(dose, let, alpha_beta, model)) * dose
    ions = alpha_beta * low * dose + (high * dose) ** 2
    assert alpha_beta * equal + equal**2 == pytest.approx(ions, rel=1e-6)


def test_rbe_is_never_applied_twice() -> None:
    assert weighted_dose(Phase(PROTON, 50, 25)) == pytest.approx(55)
    assert weighted_dose(Phase(PROTON, 50, 25, let=4.0), 10, "mcnamara") == pytest.approx(
        50 * float(rbe(2.0, 4.0, 10, "mcnamara"))
    )
    for radiation, model in ((PROTON, "mcnamara"), (CARBON, "mkm")):  # where the LET is known
        assert weighted_dose(Phase(radiation, 50, 25, let=30.0)) == pytest.approx(
            50 * float(rbe(2.0, 30.0, 8, model))
        )
    for radiation in Radiation:
        given_biological = Phase(radiation, 50, 25, let=50.0, biological=True)
        assert weighted_dose(given_biological, 8, "mkm") == 50


def test_survival_by_hand() -> None:
    # exp(-0.12 * 2 - 0.015 * 4) = exp(-0.3)
    assert float(surviving_fraction(2, 0.12, 0.015)) == pytest.approx(0.740818, abs=1e-6)
    assert np.allclose(surviving_fraction(np.array([0.0, 2.0]), 0.12, 0.015), [1, 0.740818])


def test_fractions_are_given_on_weekdays() -> None:
    assert fraction_days(Phase(PHOTON, 14, 7, start_day=35)) == [35, 36, 37, 38, 39, 42, 43]


def test_a_phase_needs_dose_and_fractions() -> None:
    with pytest.raises(ValueError, match="dose above 0"):
        Phase(PHOTON, 0, 30)
    with pytest.raises(ValueError, match="fraction"):
        Phase(PHOTON, 60, 0)


@pytest.mark.parametrize(
    ("phase", "tumour", "brain"),
    [
        # McNamara at LETd 5 and MKM at 75 keV/um, with the alpha/beta of each tissue.
        (Phase(PROTON, 60 / 1.1, 30, let=5.0), 64.4, 74.4),
        (Phase(CARBON, 20.0, 16, let=75.0), 62.9, 93.7),
    ],
)
def test_the_brain_has_an_rbe_of_its_own(phase: Phase, tumour: float, brain: float) -> None:
    """With the RBE of the tumour, the brain's EQD2 would be the first figure."""
    course = Treatment((phase,))
    weighted = Phase(phase.radiation, weighted_dose(phase), phase.fractions, biological=True)
    assert eqd2(Treatment((weighted,)), LATE_BRAIN) == pytest.approx(tumour, abs=0.1)
    assert eqd2(course, LATE_BRAIN) == pytest.approx(brain, abs=0.1)


def test_mkm_with_the_parameters_of_kase() -> None:
    """HSG cells at 50 keV/um: alpha0 0.13, beta 0.05, alpha of X-rays 0.19, domains of 0.42 um."""
    y = 150**2 * (1 - np.exp(-((50 / 150) ** 2))) / 50
    z = 0.1602 * y / (np.pi * 0.42**2)
    found, smallest = RBE_LIMITS["mkm-kase"](50.0, 0.19 / 0.05)
    assert found == pytest.approx((0.13 + 0.05 * z) / 0.19)
    assert smallest == 1.0
