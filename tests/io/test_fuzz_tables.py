"""Odd tables: a cohort of the right length, or an error in plain words that names the file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flame.core.errors import FlameError
from flame.io.tables import read_table_cohort, read_treatments

HEADER = "subject,centre,age,days,died\n"
CELL = st.one_of(
    st.sampled_from(
        ["", "A", "1", "0", "-1", "61.5", "inf", "-inf", "nan", "1_000", "1e400", "0x10"]
        + ["1,5", '"', '""', "\x00", "\x1b[2J", "=1+1", "9" * 5000, "é", "1 ", "\t", ";", "\r"]
    ),
    st.text(max_size=8),
)
MANY = settings(
    max_examples=600,
    deadline=10_000,  # ms; a hang
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.slow
@MANY
@given(rows=st.lists(st.lists(CELL, min_size=1, max_size=6), max_size=6), header=st.booleans())
def test_an_odd_cohort_is_read_or_refused(
    tmp_path: Path, rows: list[list[str]], header: bool
) -> None:
    path = tmp_path / "cohort.csv"
    text = (HEADER if header else "") + "".join(",".join(row) + "\n" for row in rows)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        survival = {"survival_days": "days", "died": "died"}
        cohort = read_table_cohort(path, "A", "centre", "subject", ["age"], survival, False)
    except FlameError as refused:
        error = refused
        cohort = None
    assert cohort or "cohort.csv" in str(error)
    for patient in cohort.patients if cohort else ():
        age = patient.clinical["age"]
        assert np.isnan(age) or np.isfinite(age)
        days = patient.outcome.survival_days
        assert days is None or 0 <= days < float("inf")


@pytest.mark.slow
@MANY
@given(cells=st.lists(CELL, min_size=6, max_size=6))
def test_an_odd_course_is_read_or_refused(tmp_path: Path, cells: list[str]) -> None:
    path = tmp_path / "treatments.tsv"
    header = "patient_id\tradiation\tdose\tfractions\tstart_day\tlet\n"
    text = header + "p1\tphoton\t60\t30\t0\t\n" + "\t".join(cells) + "\n"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        courses = read_treatments(path)
    except FlameError as refused:
        error = refused
        courses = {}
    assert courses or "treatments.tsv" in str(error)
    for course in courses.values():
        for phase in course.phases:
            assert 0 < phase.dose < 200
            assert 0 < phase.fractions <= 200
