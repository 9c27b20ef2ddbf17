"""Recognises the columns of a table whose numbers identify a patient."""

import math
import re
from datetime import date

import pandas as pd

from flame.io.tables import numeric_columns

_WORDS = {
    *("id", "mrn", "accession", "insurance", "ssn", "nhs"),
    *("dob", "birth", "birthdate", "birthday"),
    *("phone", "telephone", "fax", "zip", "postcode", "postal", "address"),
}
"""Words of headings whose numbers identify a patient, see 45 CFR 164.514(b)(2)."""
_FIRST_YEAR = 1880
"""First year of a date of birth that a number of eight digits may mean."""


def clinical_columns(table: pd.DataFrame, where: str) -> tuple[dict[str, list[float]], list[str]]:
    """Convert the columns of a table to numbers, without those that may identify a patient.

    Args:
        table: table of text cells.
        where: name of the file, for error messages.

    Returns:
        Numbers by column, and the names of the columns that were dropped because they hold text,
        dates or identifiers.

    Raises:
        BadInput: a column of ``OUTCOME_COLUMNS`` holds text.
    """
    columns, dropped = numeric_columns(table, where)
    identifying = [name for name, values in columns.items() if identifies(name, values)]
    kept = {name: values for name, values in columns.items() if name not in identifying}
    return kept, [*dropped, *identifying]


def identifies(name: str, values: list[float]) -> bool:
    """Return whether a column of numbers identifies patients.

    Args:
        name: heading of the column.
        values: its numbers; NaN for empty cells.

    Returns:
        True for headings such as ``MRN``, and for dates such as 19360203.

    Example:
        >>> identifies("birth_date", [1.0]), identifies("visit", [20200106.0])
        (True, True)
        >>> identifies("volume", [19600.0, 20200106.0])
        False
    """
    words = set(re.split(r"[^a-z]+", name.lower()))
    known = [value for value in values if math.isfinite(value)]
    return bool(words & _WORDS) or (bool(known) and all(map(_is_date, known)))


def _is_date(value: float) -> bool:
    try:
        return date.fromisoformat(f"{value:.0f}").year >= _FIRST_YEAR
    except ValueError:
        return False
