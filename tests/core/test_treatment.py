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
    with pytest.raises(ValueError, match="positive dose"):
        Phase(Radiation.PHOTON, float("nan"), 30)
