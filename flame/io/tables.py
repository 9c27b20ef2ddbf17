"""Tables: a hospital's clinical table, treatments, and cohorts that are tables alone."""

import gzip
import warnings
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flame.core.cohort import Cohort, Outcome, Patient
from flame.core.errors import BadInput
from flame.core.files import content_hash
from flame.core.registry import nearest
from flame.core.treatment import Phase, Radiation, Treatment

OUTCOME_COLUMNS = ("response", "survival_days", "died")
TREATMENT_COLUMNS = (
    "patient_id",
    "radiation",
    "dose",
    "fractions",
    "start_day",
    "biological",
    "let",
)
_EMPTY = ["", "n/a", "N/A", "NA", "na", "nan", "NaN", "NULL", "#N/A"]
_SEX = {"m": 0.0, "male": 0.0, "f": 1.0, "female": 1.0}


def read_table(path: Path, required: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table of text cells, separated by commas, semicolons or tabs; .gz is unpacked.

    Raises BadInput that names the file and the missing column, or the lines that do not fit.
    """
    try:
        stamp = path.stat()
        table = _cells(path, stamp.st_mtime_ns, stamp.st_size).copy()
    except (FileNotFoundError, IsADirectoryError):
        raise BadInput(f"no table at {path}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as a UTF-8 table: {error}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise BadInput(f"{path} is no whole gzip file; unpack it, or copy it again") from None
    except pd.errors.ParserWarning:
        raise BadInput(
            f"{path}: some lines have more cells than the header; look for decimal commas and "
            "separators at the end of lines"
        ) from None
    for column in required:
        if column not in table:
            hint = nearest(column, list(map(str, table.columns)))
            raise BadInput(f"{path} has no column '{column}': {hint}")
    return table


@lru_cache(maxsize=1)
def _cells(path: Path, changed: int, size: int) -> pd.DataFrame:
    """The cells of a table, kept, as every centre of a simulation reads the same one."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig") as stream:
        header = stream.readline()
    separator = max(",;\t", key=header.count)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            encoding="utf-8-sig",
            index_col=False,
            keep_default_na=False,
            na_values=_EMPTY,
        )


def number(value: object, where: str, column: str = "") -> float:
    """Return a table cell as a number; NaN where empty, 0/1 for M/F in a column of sex."""
    text = "" if value is None or value is pd.NA or value != value else str(value).strip()
    if text.lower() in ("", "na", "n/a", "nan", "none", "unknown", "not available"):
        return float("nan")
    if column.lower() in ("sex", "gender") and text.lower() in _SEX:
        return _SEX[text.lower()]
    try:
        return float(text)
    except ValueError:
        raise BadInput(
            f"{where}, column {column}: '{text}' is not a number; code it as one or leave it empty"
        ) from None


def numeric_columns(table: pd.DataFrame, where: str) -> tuple[dict[str, list[float]], list[str]]:
    """Columns as numbers, and the names of those that hold other text.

    Raises BadInput for an outcome that is no number.
    """
    columns, dropped = {}, []
    for column in map(str, table.columns):
        try:
            columns[column] = [number(value, where, column) for value in table[column]]
        except BadInput:
            if column in OUTCOME_COLUMNS:
                raise
            dropped.append(column)
    return columns, dropped


def outcome(row: Mapping[Any, object], where: str) -> Outcome:
    """Outcome from the columns response, survival_days and died, whichever there are.

    Raises BadInput where response or died is neither 0 nor 1 (RANO classes are no yes or no).
    """
    values = {c: number(row.get(c), where, c) for c in OUTCOME_COLUMNS}
    for column in ("response", "died"):
        if np.isfinite(values[column]) and values[column] not in (0, 1):
            raise BadInput(f"{where}, column {column}: {values[column]:g} is neither 0 nor 1")
    if values["survival_days"] < 0:
        raise BadInput(f"{where}, column survival_days: {values['survival_days']:g} is below 0")
    known = {c: v for c, v in values.items() if np.isfinite(v)}
    return Outcome(
        response=bool(known["response"]) if "response" in known else None,
        survival_days=known.get("survival_days"),
        died=bool(known["died"]) if "died" in known else None,
    )


def alive_at(days: float, known: Outcome) -> bool | None:
    """Whether a patient lived past ``days``; None where censored before, as nobody knows.

    A missing status counts as a death (stated with every result that uses it).
    """
    if known.survival_days is None:
        return None
    if known.survival_days > days:
        return True
    return None if known.died is False else False


def read_treatments(path: Path) -> dict[str, Treatment]:
    """Read treatments.tsv, see TREATMENT_COLUMNS; the last three may be missing or empty."""
    table = read_table(path, ("patient_id", "radiation", "dose", "fractions"))
    found: dict[str, list[Phase]] = {}
    for index, row in table.iterrows():
        where = f"{path}, line {int(str(index)) + 2}"
        try:
            let = number(row.get("let"), where, "let")
            phase = Phase(
                Radiation(row["radiation"]),
                number(row["dose"], where, "dose"),
                int(number(row["fractions"], where, "fractions")),
                int(np.nan_to_num(number(row.get("start_day"), where, "start_day"))),
                None if np.isnan(let) else let,
                bool(np.nan_to_num(number(row.get("biological"), where, "biological"))),
            )
        except ValueError as error:
            raise BadInput(f"{where}: {error}") from None
        found.setdefault(row["patient_id"], []).append(phase)
    return {patient: Treatment(tuple(phases)) for patient, phases in found.items()}


def treatment_rows(patient_id: str, treatment: Treatment | None) -> list[dict[str, object]]:
    """Rows of treatments.tsv for one patient."""
    return [
        {
            "patient_id": patient_id,
            "radiation": p.radiation.value,
            "dose": p.dose,
            "fractions": p.fractions,
            "start_day": p.start_day,
            "biological": int(p.biological),
            "let": p.let,
        }
        for p in (treatment.phases if treatment else ())
    ]


def read_table_cohort(
    path: Path,
    centre: str,
    centre_column: str,
    id_column: str,
    features: list[str],
    survival: dict[str, str],
    simulated: bool,
    person_column: str = "",
) -> Cohort:
    """Read one centre's rows of a table, one a patient.

    ``survival`` maps ``survival_days`` and ``died`` to the table's columns; the response is the
    column ``response`` where there is one; ``person_column`` tells whose row it is where there are
    several a person. Raises BadInput for an id that occurs twice.
    """
    named = [person_column] if person_column else []
    table = read_table(path, [centre_column, id_column, *features, *survival.values(), *named])
    rows = table[table[centre_column] == centre]
    if rows.empty:
        there = ", ".join(sorted(table[centre_column].dropna().unique()))
        raise BadInput(f"{path} has no rows of centre '{centre}'; there are: {there}")
    twice = rows[id_column][rows[id_column].duplicated()]
    if len(twice):
        line = int(twice.index[0]) + 2
        raise BadInput(
            f"{path}, line {line}: this {id_column} occurs twice at centre '{centre}'; keep one "
            "row a patient, or give rows ids of their own and set data.person_column"
        )
    patients = []
    for index, row in rows.iterrows():
        where = f"{path}, line {int(str(index)) + 2}"
        clinical = {f: number(row[f], where, f) for f in features}
        known = row.to_dict() | {name: row[column] for name, column in survival.items()}
        person = str(row[person_column]) if person_column else ""
        patients.append(
            Patient(
                str(row[id_column]), clinical=clinical, outcome=outcome(known, where), person=person
            )
        )
    return Cohort(centre, tuple(patients), simulated, {path.name: content_hash([path])})
