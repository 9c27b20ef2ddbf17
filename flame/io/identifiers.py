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
_NUMBER_FROM = 100_000
"""Whole numbers from here on, all different, are record numbers; measures vary more in size."""
_OLDEST = 90.0
"""Ages from here on are one group, see 45 CFR 164.514(b)(2)(i)(C)."""
_FIRST_YEAR = 1880
"""First year of a date of birth that a number of eight digits may mean."""


def clinical_columns(table: pd.DataFrame, where: str) -> tuple[dict[str, list[float]], list[str]]:
    """Convert the columns of a table to numbers, without those that may identify a patient.

    Ages of 90 years or more become 90.

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
    grouped = {
        name: [min(v, _OLDEST) if v > _OLDEST else v for v in values] if _is_age(name) else values
        for name, values in kept.items()
    }
    return grouped, [*dropped, *identifying]


def _is_age(name: str) -> bool:
    return "age" in re.split(r"[^a-z]+", name.lower())


def identifies(name: str, values: list[float]) -> bool:
    """Return whether a column of numbers identifies patients.

    Args:
        name: heading of the column.
        values: its numbers; NaN for empty cells.

    Returns:
        True for headings such as ``MRN``, for dates such as 19360203, and for whole numbers of six
        digits or more that are all different, such as record and telephone numbers.

    Example:
        >>> identifies("birth_date", [1.0]), identifies("visit", [20200106.0])
        (True, True)
        >>> identifies("volume", [19600.0, 20200106.0])
        False
    """
    words = set(re.split(r"[^a-z]+", name.lower()))
    known = [value for value in values if math.isfinite(value)]
    if words & _WORDS or (known and all(map(_is_date, known))):
        return True
    numbers = all(value >= _NUMBER_FROM and value == int(value) for value in known)
    return len(known) > 1 and numbers and len(set(known)) == len(known)


def _is_date(value: float) -> bool:
    try:
        return date.fromisoformat(f"{value:.0f}").year >= _FIRST_YEAR
    except ValueError:
        return False
