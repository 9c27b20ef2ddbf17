"""Columns of numbers that identify a patient."""

import pandas as pd
import pytest

from flame.io.identifiers import clinical_columns, identifies


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("MRN", [7731.0], True),
        ("patient.id", [1.0], True),
        ("visit", [20200106.0, float("nan"), 20210309.0], True),
        ("volume", [19600.0, 20200106.0], False),
        ("score", [20201399.0], False),
        ("idh", [1.0], False),
        ("record", [104233.0, 881204.0, 230117.0], True),
        ("contact", [4915112345678.0, 4915187654321.0], True),
        ("etiv", [1452310.5, 1398201.25], False),
        ("volume", [104233.0, 8812.0], False),
        ("charge", [500000.0, 500000.0], False),
        ("age", [float("nan")], False),
    ],
)
def test_headings_and_dates(name: str, values: list[float], expected: bool) -> None:
    assert identifies(name, values) is expected


def test_great_ages_are_one_group() -> None:
    table = pd.DataFrame({"age": ["61", "89.5", "98"], "dosage": ["61", "95", "98"]})
    kept, dropped = clinical_columns(table, "t.csv")
    assert kept == {"age": [61.0, 89.5, 90.0], "dosage": [61.0, 95.0, 98.0]}
    assert not dropped
