"""Columns of numbers that identify a patient."""

import pytest

from flame.io.identifiers import identifies


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("MRN", [7731.0], True),
        ("patient.id", [1.0], True),
        ("visit", [20200106.0, float("nan"), 20210309.0], True),
        ("volume", [19600.0, 20200106.0], False),
        ("score", [20201399.0], False),
        ("idh", [1.0], False),
        ("age", [float("nan")], False),
    ],
)
def test_headings_and_dates(name: str, values: list[float], expected: bool) -> None:
    assert identifies(name, values) is expected
