"""Which imaging counts as the baseline."""

import pytest

from flame.core.cohort import Patient, Timepoint


@pytest.mark.parametrize(
    ("days", "expected"), [((-30, -3, 40), -3), ((-3, 0, 40), 0), ((1, 40), None), ((), None)]
)
def test_the_baseline_is_the_last_imaging_up_to_the_start_of_radiotherapy(
    days: tuple[int, ...], expected: int | None
) -> None:
    patient = Patient("p", tuple(Timepoint(day, {}) for day in days))
    baseline = patient.baseline
    assert (baseline.day if baseline else None) == expected
