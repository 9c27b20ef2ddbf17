"""A hospital's clinical table, joined to its DICOM patients and without identifying columns."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from flame.core.errors import BadInput
from flame.io.identifiers import clinical_columns
from flame.io.tables import iso_date, line_of, outcome, read_table

ID = "patient_id"
"""Column of the DICOM PatientID."""
START = "radiotherapy_start"
"""Column of the first day of radiotherapy, as YYYY-MM-DD."""


@dataclass(frozen=True)
class ClinicalTable:
    """Numeric columns of a clinical table.

    Args:
        rows: values by PatientID and column.
        starts: first day of radiotherapy by PatientID.
        dropped: columns that were dropped because they hold text or identify a patient.
    """

    rows: dict[str, dict[str, float]] = field(default_factory=dict)
    starts: dict[str, date] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()


def read_clinical(path: Path | None) -> ClinicalTable:
    """Read a clinical table without columns of text, dates or identifiers of patients.

    Args:
        path: table with a column patient_id; None: no table.

    Returns:
        Numeric columns and starts of radiotherapy by PatientID; empty without a table.

    Raises:
        BadInput: a patient occurs twice, or a date is not written as YYYY-MM-DD.
    """
    if path is None:
        return ClinicalTable()
    table = read_table(path, [ID])
    ids = table[ID].fillna("").str.strip()
    twice = ids[ids.duplicated()]
    if len(twice):
        where = line_of(path, twice.index[0])
        raise BadInput(f"{where}: this {ID} occurs twice; keep one row per patient")
    names = [c for c in table.columns if c not in (ID, START, "participant_id")]
    columns, dropped = clinical_columns(table[names], str(path))
    rows = {
        patient: {name: values[i] for name, values in columns.items()}
        for i, patient in enumerate(ids)
    }
    for line, values in enumerate(rows.values(), 2):
        outcome(values, f"{path}, line {line}")
    starts = _starts(list(table.get(START, [])), list(ids), path)
    return ClinicalTable(rows, starts, tuple(dropped))


def _starts(cells: list[object], ids: list[str], path: Path) -> dict[str, date]:
    """Return the first day of radiotherapy by PatientID; empty cells are skipped."""
    starts = {}
    for line, (patient, cell) in enumerate(zip(ids, cells, strict=False), 2):
        if cell is None or cell != cell or not str(cell).strip():
            continue
        starts[patient] = iso_date(cell, f"{path}, line {line}, column {START}")
    return starts


def printable(value: float) -> object:
    """Convert a number to a table cell.

    Args:
        value: number; NaN if it is missing.

    Returns:
        A whole number as int, another number unchanged, and a missing value as None.

    Example:
        >>> printable(3.0), printable(2.5), printable(float("nan"))
        (3, 2.5, None)
    """
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) else value
