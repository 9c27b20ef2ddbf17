"""Reads tables: clinical data, radiotherapy courses, and cohorts without images."""

import csv
import gzip
import math
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
import pandas as pd

from flame.core.cohort import Cohort, Outcome, Patient
from flame.core.errors import BadInput
from flame.core.expansion import TooLargeError
from flame.core.files import content_hash
from flame.core.registry import nearest
from flame.core.treatment import Phase, Radiation, Treatment
from flame.io.table_files import arff_columns, arff_rows, opened

OUTCOME_COLUMNS = ("response", "survival_days", "died", "entry_days")
"""Columns of outcomes: response as 1 or 0, survival or follow-up in days, death as 1 or 0, and the
day of a delayed entry.
"""
TREATMENT_COLUMNS = (
    "patient_id",
    "radiation",
    "dose",
    "fractions",
    "start_day",
    "biological",
    "let",
    "planned_fractions",
    "rbe_model",
)
"""Columns of ``treatments.tsv``, one row per phase: dose in Gy, start in days from the first day of
radiotherapy, 1 for an RBE-weighted dose, dose-averaged LET in keV/um, the fractions planned where
``fractions`` are those that records show, and the model of an RBE-weighted carbon dose.
"""
_EMPTY = ["", "n/a", "N/A", "NA", "na", "nan", "NaN", "NULL", "#N/A"]
"""Cells that count as missing."""
UNKNOWN = ("", "na", "n/a", "nan", "none", "unknown", "not available")
"""Cells that say that a value is missing, in lower case."""
SEX = {"m": 0.0, "male": 0.0, "f": 1.0, "female": 1.0}
"""Numbers of the words in a column named sex or gender, in lower case."""


class Reader(Protocol):
    """Reads features that a hospital may write in its own way, see ``flame.io.columns``."""

    def written(self, feature: str) -> str:
        """Return the column of the table that a feature comes from."""

    def value(self, row: Mapping[Any, Any], feature: str, where: str) -> float:
        """Return a feature of a row; NaN where missing."""


def read_table(
    path: Path, required: Iterable[str] = (), columns: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Read a table as text cells.

    The separator is the comma, semicolon or tab that occurs most often in the first line. Files
    that end in ``.gz`` or ``.zip`` are expanded, and ``.arff`` is read as Weka writes it.

    Args:
        path: UTF-8 text file with a header line.
        required: columns that the table must have.
        columns: names of the columns of a file without a header line; empty: it has one.

    Returns:
        Cells as text. Empty cells and common codes for missing values are NaN.

    Raises:
        BadInput: the file is missing, cannot be read, has rows with more cells than the header, or
            lacks a required column.
    """
    try:
        stamp = path.stat()
        table = _cells(path, stamp.st_mtime_ns, stamp.st_size, columns).copy()
    except (FileNotFoundError, IsADirectoryError):
        raise BadInput(f"no table at {path}; name an existing file") from None
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
        csv.Error,
    ) as error:
        raise BadInput(f"{path} cannot be read as a UTF-8 table: {error}") from None
    except (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error):
        raise BadInput(
            f"{path} is not a complete {path.suffix} file; unpack it, or copy it again"
        ) from None
    except TooLargeError as error:
        raise BadInput(f"{path} is no table: {error}; unpack it and look") from None
    except pd.errors.ParserWarning:
        raise BadInput(
            f"{path}: some lines have more cells than the header; look for decimal commas and "
            "separators at the end of lines"
        ) from None
    for column in required:
        if column not in table:
            hint = nearest(column, list(map(str, table.columns)))
            _check_header(path, list(map(str, table.columns)), f"no column '{column}', and ")
            raise BadInput(f"{path} has no column '{column}': {hint}")
    return table


@lru_cache(maxsize=1)
def _cells(path: Path, changed: int, size: int, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read the cells of a table.

    The result is cached, because every centre of a simulation reads the same table.
    """
    content, name = opened(path)
    with TextIOWrapper(content, encoding="utf-8-sig") as stream:
        if name.endswith(".arff"):
            names = arff_columns(stream, path)
            rows = arff_rows(stream)
            text = rows.getvalue()
            table = _parsed(
                rows,
                "," if "," in text.partition("\n")[0] else "\t",
                names=names,
                quotechar="'" if "'" in text else '"',
                escapechar="\\",
                na_values=["?", ""],
                skipinitialspace=True,
            )
            if table[names[0]].str.startswith("{").any():
                raise BadInput(f"{path} has sparse rows; save it from Weka as a dense ARFF file")
            return table
        first = stream.readline()
        stream.seek(0)
        separator = max(",;\t", key=first.count)
        cells = [cell.strip() for cell in next(csv.reader([first], delimiter=separator), [])]
        if columns and len(cells) != len(columns):
            raise BadInput(
                f"{path} has {len(cells)} columns, but {len(columns)} names of columns are given"
            )
        repeated = sorted({cell for cell in cells if cell and cells.count(cell) > 1})
        if repeated and not columns:
            _check_header(path, cells)
            raise BadInput(
                f"{path}: column '{repeated[0]}' occurs twice; rename or remove one of them"
            )
        given = {"names": list(columns)} if columns else {}
        return _parsed(stream, separator, **given, na_values=_EMPTY)


def _parsed(stream: TextIO, separator: str, **options: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table: pd.DataFrame = pd.read_csv(
            stream,
            sep=separator,
            dtype=str,
            index_col=False,
            keep_default_na=False,
            **options,
        )
        return table


def _check_header(path: Path, cells: list[str], lacks: str = "") -> None:
    """Raise BadInput if the first line of a table holds numbers instead of names."""
    if len(cells) > 1 and pd.to_numeric(pd.Series(cells), errors="coerce").notna().mean() > 0.5:
        raise BadInput(
            f"{path} has {lacks}no header line: its first line holds numbers; put the names of "
            "the columns above it (for flame stream: or into table.columns)"
        )


def line_of(path: Path, index: object) -> str:
    """Name the line of a row, for error messages.

    Args:
        path: the table.
        index: label of the row in the table that ``read_table`` returned.

    Returns:
        The file, and the line counted from 1 with the header.

    Example:
        >>> line_of(Path("t.csv"), 0)
        't.csv, line 2'
    """
    return f"{path}, line {int(str(index)) + 2}"


def iso_date(value: object, where: str) -> date:
    """Return a table cell as a date.

    Args:
        value: the cell, as YYYY-MM-DD.
        where: file, line and column of the cell, for the error message.

    Returns:
        The date.

    Raises:
        BadInput: the cell is not written so.

    Example:
        >>> iso_date(" 2020-01-06", "table.csv, line 2")
        datetime.date(2020, 1, 6)
    """
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError:
        raise BadInput(f"{where}: write dates as YYYY-MM-DD") from None


def number(value: object, where: str, column: str = "") -> float:
    """Return a table cell as a number.

    Args:
        value: the cell.
        where: file and line of the cell, for the error message.
        column: name of the column. In a column named sex or gender, M and male are 0, and F and
            female are 1.

    Returns:
        The number; NaN for an empty cell and for words such as "unknown".

    Raises:
        BadInput: the cell holds other text, or an infinite number.

    Example:
        >>> number("62.5", "table.csv", "age")
        62.5
        >>> number("F", "table.csv", "sex")
        1.0
        >>> number("unknown", "table.csv", "age")
        nan
    """
    text = "" if value is None or value is pd.NA or value != value else str(value).strip()
    if text.lower() in UNKNOWN:
        return float("nan")
    if column.lower() in ("sex", "gender") and text.lower() in SEX:
        return SEX[text.lower()]
    try:
        value = math.inf if "_" in text else float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise BadInput(
            f"{where}, column {column}: not a number; code the value as a number or leave the cell "
            "empty"
        )
    return value


def numeric_columns(table: pd.DataFrame, where: str) -> tuple[dict[str, list[float]], list[str]]:
    """Convert the columns of a table to numbers.

    Args:
        table: table of text cells.
        where: name of the file, for error messages.

    Returns:
        Numbers by column, and the names of the columns that were dropped because they hold text.

    Raises:
        BadInput: a column of ``OUTCOME_COLUMNS`` holds text.
    """
    columns: dict[str, list[float]] = {}
    dropped: list[str] = []
    for column in map(str, table.columns):
        try:
            columns[column] = [number(value, where, column) for value in table[column]]
        except BadInput:
            if column in OUTCOME_COLUMNS:
                raise
            dropped.append(column)
    return columns, dropped


def outcome(row: Mapping[Any, object], where: str) -> Outcome:
    """Read the outcome of a patient from the columns of ``OUTCOME_COLUMNS``.

    Args:
        row: cells by column; each of the columns may be missing.
        where: file and line, for error messages.

    Returns:
        The outcome; what the row does not hold is None. The survival time is in days.

    Raises:
        BadInput: response or died is neither 0 nor 1, for example a RANO class, survival_days is
            negative, or entry_days does not lie before it.

    Example:
        >>> outcome({"response": "1", "survival_days": "420"}, "table.csv, line 2")
        Outcome(response=True, survival_days=420.0, died=None, entry_days=0.0)
    """
    values = {c: number(row.get(c), where, c) for c in OUTCOME_COLUMNS}
    for column in ("response", "died"):
        if np.isfinite(values[column]) and values[column] not in (0, 1):
            raise BadInput(
                f"{where}, column {column}: {values[column]:g} is neither 0 nor 1; code it so"
            )
    if values["survival_days"] < 0:
        raise BadInput(
            f"{where}, column survival_days: {values['survival_days']:g} is below 0; correct it or "
            "leave the cell empty"
        )
    entry = values["entry_days"]
    if entry < 0 or entry >= values["survival_days"]:
        raise BadInput(
            f"{where}, column entry_days: {entry:g} does not lie between 0 and the last known day; "
            "correct it, or leave the patient out"
        )
    known = {c: v for c, v in values.items() if np.isfinite(v)}
    return Outcome(
        response=bool(known["response"]) if "response" in known else None,
        survival_days=known.get("survival_days"),
        died=bool(known["died"]) if "died" in known else None,
        entry_days=known.get("entry_days", 0.0),
    )


def alive_at(days: float, known: Outcome) -> bool | None:
    """Determine whether a patient was alive after a number of days.

    A patient with a survival time but without a status counts as dead.

    Args:
        days: time from the start of follow-up, in days.
        known: outcome of the patient.

    Returns:
        True or False; None if the patient was censored before that day or has no survival time.

    Example:
        >>> alive_at(365, Outcome(survival_days=400))
        True
        >>> alive_at(365, Outcome(survival_days=300))
        False
        >>> alive_at(365, Outcome(survival_days=300, died=False)) is None
        True
    """
    if known.survival_days is None:
        return None
    if known.survival_days > days:
        return True
    return None if known.died is False else False


def read_treatments(path: Path) -> dict[str, Treatment]:
    """Read the radiotherapy courses of patients from ``treatments.tsv``.

    Args:
        path: table with ``TREATMENT_COLUMNS``, one row per phase. The last five columns may be
            missing or empty.

    Returns:
        Course by patient id, with its phases in the order of the rows.

    Raises:
        BadInput: a column is missing, or a value is not valid; the message names the line.
    """
    table = read_table(path, ("patient_id", "radiation", "dose", "fractions"))
    phases: dict[str, list[Phase]] = {}
    for index, row in table.iterrows():
        where = line_of(path, index)
        try:
            let = number(row.get("let"), where, "let")
            planned = number(row.get("planned_fractions"), where, "planned_fractions")
            phase = Phase(
                Radiation(row["radiation"]),
                number(row["dose"], where, "dose"),
                int(number(row["fractions"], where, "fractions")),
                int(np.nan_to_num(number(row.get("start_day"), where, "start_day"))),
                None if np.isnan(let) else let,
                bool(np.nan_to_num(number(row.get("biological"), where, "biological"))),
                None if np.isnan(planned) else int(planned),
                "" if pd.isna(row.get("rbe_model")) else str(row["rbe_model"]).strip().lower(),
            )
        except ValueError as error:
            raise BadInput(f"{where}: {error}") from None
        phases.setdefault(row["patient_id"], []).append(phase)
    return {patient: Treatment(tuple(course)) for patient, course in phases.items()}


def treatment_rows(patient_id: str, treatment: Treatment | None) -> list[dict[str, object]]:
    """Return the rows of ``treatments.tsv`` for one patient.

    Args:
        patient_id: id of the patient.
        treatment: the course; None gives no rows.

    Returns:
        One row per phase, by ``TREATMENT_COLUMNS``.
    """
    return [
        {
            "patient_id": patient_id,
            "radiation": p.radiation.value,
            "dose": p.dose,
            "fractions": p.fractions,
            "start_day": p.start_day,
            "biological": int(p.biological),
            "let": p.let,
            "planned_fractions": p.planned,
            "rbe_model": p.convention or None,
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
    columns: "Reader | None" = None,
    outcomes: bool = True,
) -> Cohort:
    """Read the patients of one centre from a table with one row per patient.

    If the table has a column ``response``, it is the response.

    Args:
        path: the table.
        centre: name of the centre.
        centre_column: column with the name of the centre; empty: all rows are of it.
        id_column: column with the id of the row, unique at a centre.
        features: columns of clinical features.
        survival: columns by ``survival_days``, ``died`` and, of a delayed entry, ``entry_days``.
        simulated: whether the patients are simulated.
        person_column: column with the id of the person if a person has several rows; else empty.
            A row without a person counts as a person of its own.
        columns: reads a feature from a row; None: the column of its name as a number.
        outcomes: whether outcomes are read.

    Returns:
        Cohort without images; its manifest holds the hash of the table.

    Raises:
        BadInput: a column is missing, a centre or id is empty, the centre has no rows, an id occurs
            twice, or a cell is not valid.
    """
    own = [columns.written(f) if columns else f for f in features]
    person_columns = [person_column] if person_column else []
    centre_columns = [centre_column] if centre_column else []
    table = read_table(
        path, [*centre_columns, id_column, *own, *survival.values(), *person_columns]
    )
    for column in (*centre_columns, id_column):
        empty = table.index[table[column].isna()]
        if len(empty):
            raise BadInput(
                f"{line_of(path, empty[0])}: column {column} is empty; fill it, or remove the row"
            )
    rows = table[table[centre_column] == centre] if centre_column else table
    if rows.empty:
        if not centre_column:
            raise BadInput(f"{path} has no rows; give a table with one row per patient")
        centres = ", ".join(sorted(table[centre_column].dropna().unique()))
        raise BadInput(
            f"{path} has no rows of centre '{centre}'; column {centre_column} has: {centres}"
        )
    repeated = rows[id_column][rows[id_column].duplicated()]
    if len(repeated):
        raise BadInput(
            f"{line_of(path, repeated.index[0])}: this {id_column} occurs twice at centre "
            f"'{centre}'; keep one row per patient, or give the rows ids of their own and set "
            "data.person_column"
        )
    persons = rows[person_column].fillna(rows[id_column]) if person_column else [""] * len(rows)
    patients = []
    for (index, row), person in zip(rows.iterrows(), persons, strict=True):
        where = line_of(path, index)
        if columns:
            clinical = {f: columns.value(row.to_dict(), f, where) for f in features}
        else:
            clinical = {f: number(row[f], where, f) for f in features}
        cells = {k: v for k, v in row.to_dict().items() if k != "entry_days"}
        cells |= {name: row[column] for name, column in survival.items()}
        patients.append(
            Patient(
                str(row[id_column]),
                clinical=clinical,
                outcome=outcome(cells, where) if outcomes else Outcome(),
                person=person,
            )
        )
    return Cohort(centre, tuple(patients), simulated, {path.name: content_hash([path])})
