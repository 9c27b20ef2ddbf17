"""Phases of radiotherapy that cannot have been delivered are refused."""

import pytest

from flame.core.treatment import Phase, Radiation


@pytest.mark.parametrize(
    ("dose", "fractions", "let"), [(0.0, 30, None), (60.0, 0, None), (60.0, 30, 0.0)]
)
def test_dose_fractions_and_let_are_positive(
    dose: float, fractions: int, let: float | None
) -> None:
    with pytest.raises(ValueError, match="phase"):
        Phase(Radiation.CARBON, dose, fractions, let=let)


def test_nan_is_no_dose() -> None:
    with pytest.raises(ValueError, match="dose above 0"):
        Phase(Radiation.PHOTON, float("nan"), 30)


@pytest.mark.parametrize(("dose", "fractions"), [(6000.0, 30), (float("inf"), 30), (60.0, 3000)])
def test_impossible_prescriptions(dose: float, fractions: int) -> None:
    with pytest.raises(ValueError, match=r"up to 200 Gy \(not in cGy\), and 1 to 100 fractions"):
        Phase(Radiation.PHOTON, dose, fractions)
