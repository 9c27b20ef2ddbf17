from pathlib import Path

import numpy as np
import pytest

from flame.core.cohort import Outcome
from flame.core.errors import BadInput
from flame.core.treatment import Phase, Radiation
from flame.io.tables import (
    alive_at,
    number,
    outcome,
    read_table,
    read_table_cohort,
    read_treatments,
    treatment_rows,
)


@pytest.mark.parametrize(
    ("days", "died", "expected"),
    [
        (400, True, True),  # died later
        (400, False, True),  # seen alive later
        (365, True, False),  # died on the day: not past it
        (100, True, False),
        (100, False, None),  # censored before: nobody knows
        (100, None, False),  # missing status counts as a death
        (None, True, None),
    ],
)
def test_alive_at_a_horizon(days: float | None, died: bool | None, expected: bool | None) -> None:
    assert alive_at(365, Outcome(None, days, died)) is expected


def test_response_and_status_are_yes_or_no() -> None:
    for column in ("response", "died"):
        with pytest.raises(BadInput, match=f"column {column}: 2 is neither 0 nor 1"):
            outcome({column: "2"}, "here")


def test_numbers() -> None:
    assert number("3.5", "here") == 3.5
    assert (number("M", "here", "sex"), number("Female", "here", "Sex")) == (0, 1)
    with pytest.raises(BadInput, match="column mgmt: not a number"):  # methylated, say
        number("M", "here", "mgmt")
    assert all(np.isnan(number(v, "here")) for v in ("", "n/a", None, float("nan")))
    with pytest.raises(BadInput, match="here, column age: not a number"):
        number("3,5", "here", "age")


def test_outcome_keeps_what_is_unknown_unknown() -> None:
    found = outcome({"response": "1", "survival_days": "", "died": "0"}, "here")
    assert found.response is True
    assert found.survival_days is None
    assert found.died is False


def test_treatments_round_trip(tmp_path: Path) -> None:
    phases = (
        Phase(Radiation.PHOTON, 50.0, 25),
        Phase(Radiation.CARBON, 18.0, 6, start_day=35, biological=True, convention="mkm"),
        Phase(Radiation.PHOTON, 10.0, 5, start_day=43, planned=6),
        Phase(Radiation.PROTON, 10.0, 5, start_day=50, let=3.5),
    )
    import pandas as pd

    from flame.core.treatment import Treatment

    path = tmp_path / "treatments.tsv"
    pd.DataFrame(treatment_rows("p", Treatment(phases))).to_csv(path, sep="\t", index=False)
    assert read_treatments(path)["p"].phases == phases


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("helium\t60\t30\t", "'helium'"),
        ("photon\t\t30\t", "dose above 0"),
        ("photon\t0\t30\t", "dose above 0"),
        ("photon\t60\t0\t", "1 to 100 fractions"),
        ("proton\t60\t30\t-1", "LET of a phase must be above 0"),
    ],
)
def test_a_wrong_treatment_names_its_row(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "treatments.tsv"
    path.write_text(f"patient_id\tradiation\tdose\tfractions\tlet\np\t{row}\n")
    with pytest.raises(BadInput, match=rf"treatments.tsv, line 2: .*{message}"):
        read_treatments(path)


def test_separator_is_found_and_extra_cells_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a;b\n1;2,5\n")
    assert read_table(path).to_dict("records") == [{"a": "1", "b": "2,5"}]
    path.write_text("a,b\n1,2,5\n")
    with pytest.raises(BadInput, match="t.csv.*(more cells|Expected 2 fields)"):
        read_table(path)
    path.write_text("a,b\n1,2,\n")  # a separator at the end of the line shifts nothing
    assert read_table(path).to_dict("records") == [{"a": "1", "b": "2"}]


def test_survival_below_zero_is_refused() -> None:
    with pytest.raises(BadInput, match="column survival_days: -3 is below 0"):
        outcome({"survival_days": "-3"}, "here")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,p1,1,\n,p2,2,\n", "line 3: column centre is empty"),
        ("a,p1,1,\na,,2,\n", "line 3: column patient_id is empty"),
        ("a,p1,1,\na,p2,inf,\n", "line 3, column x: not a number"),
    ],
)
def test_cells_that_would_be_dropped_or_misread(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"centre,patient_id,x,person\n{rows}")
    with pytest.raises(BadInput, match=message):
        read_table_cohort(path, "a", "centre", "patient_id", ["x"], {}, False)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("centre;age;age\na;1;2\n")
    with pytest.raises(BadInput, match="column 'age' occurs twice"):
        read_table(path)


def test_rows_without_a_person_are_persons_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("centre,patient_id,x,person\na,p1,1,\na,p2,2,\na,p3,3,q\na,p4,4,q\n")
    cohort = read_table_cohort(path, "a", "centre", "patient_id", ["x"], {}, False, "person")
    assert [p.person for p in cohort.patients] == ["p1", "p2", "q", "q"]


@pytest.mark.parametrize("cell", ["1_000", "inf", "-inf", "1e999", "12 Gy", "1\x000"])
def test_cells_that_are_no_number(cell: str) -> None:
    with pytest.raises(BadInput, match="not a number"):
        number(cell, "t.csv", "dose")
