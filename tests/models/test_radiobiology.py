"""BED10 and EQD2 of schedules in use, from the published LQ formulas (Fowler 1989)."""

import pytest

from flame.core.treatment import Phase, Radiation, Treatment
from flame.models.radiobiology import bed, eqd2, surviving_fraction, weighted_dose

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


def test_rbe_is_never_applied_twice() -> None:
    assert weighted_dose(Phase(PROTON, 50, 25)) == pytest.approx(55)
    assert weighted_dose(Phase(PROTON, 50, 25, biological=True)) == 50


def test_survival_by_hand() -> None:
    # exp(-0.12 * 2 - 0.015 * 4) = exp(-0.3)
    assert surviving_fraction(2, 0.12, 0.015) == pytest.approx(0.740818, abs=1e-6)


def test_a_phase_needs_dose_and_fractions() -> None:
    with pytest.raises(ValueError, match="positive dose"):
        Phase(PHOTON, 0, 30)
    with pytest.raises(ValueError, match="fraction"):
        Phase(PHOTON, 60, 0)
