"""Values that change over time: a table with one row per patient and day."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from flame.core.errors import BadInput
from flame.io.tables import line_of, number, read_table

PREFIX = "visit."
"""Start of the names of features that come from visits."""
CHANGE = " change"
"""End of the names of features that are changes since the first visit."""
COUNT = f"{PREFIX}count"
"""Feature: number of visits up to the landmark."""
SINCE = f"{PREFIX}days since"
"""Feature: days from the last visit to the landmark."""
DAY = "day"
"""Column of the day, from the same start as the outcome."""

Visits = dict[str, list[tuple[float, dict[str, float]]]]
"""Days with values by column, in order of day, by patient."""


def columns_of(features: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of the table of visits that some features need.

    Args:
        features: names of features; those of other kinds are ignored.

    Returns:
        Names of columns, each once.

    Example:
        >>> columns_of(["age", "visit.kps", "visit.kps change", "visit.count"])
        ('kps',)
    """
    names = [f.removeprefix(PREFIX).removesuffix(CHANGE) for f in features if _needs_column(f)]
    return tuple(dict.fromkeys(names))


def _needs_column(feature: str) -> bool:
    return feature.startswith(PREFIX) and feature not in (COUNT, SINCE)


def read_visits(
    path: Path, id_column: str, columns: Iterable[str], centre: tuple[str, str] = ("", "")
) -> Visits:
    """Read a table of visits.

    Args:
        path: the table.
        id_column: column of the patient.
        columns: columns of values.
        centre: column of the centre, and the centre whose rows count; all rows count in a table
            without that column.

    Returns:
        The visits of each patient; the BIDS prefix of a ``participant_id`` is left out.

    Raises:
        BadInput: the table or a column is missing, a day is missing, or a cell is not a number.
    """
    columns = tuple(columns)
    visits: Visits = {}
    table = read_table(path, [id_column, DAY, *columns])
    if centre[0] in table:
        table = table[table[centre[0]] == centre[1]]
    prefix = "sub-" if id_column == "participant_id" else ""
    for index, row in table.iterrows():
        where = line_of(path, index)
        day = number(row[DAY], where, DAY)
        if not math.isfinite(day):
            raise BadInput(f"{where}: column {DAY} is empty; fill it, or remove the row")
        values = {name: number(row[name], where, name) for name in columns}
        visits.setdefault(str(row[id_column]).removeprefix(prefix), []).append((day, values))
    return {patient: sorted(rows, key=lambda r: r[0]) for patient, rows in visits.items()}


def visit_features(
    rows: list[tuple[float, dict[str, float]]], landmark: float, features: Iterable[str]
) -> Mapping[str, float]:
    """Compute the features of a patient from the visits up to a landmark.

    Args:
        rows: visits of the patient in order of day.
        landmark: last day that counts.
        features: names of features; those of other kinds are ignored.

    Returns:
        ``visit.NAME``: the last known value; ``visit.NAME change``: that less the first known
        value; NaN without one.

    Example:
        >>> rows = [(0.0, {"kps": 90.0}), (60.0, {"kps": 70.0}), (200.0, {"kps": 40.0})]
        >>> dict(visit_features(rows, 100.0, ["visit.kps", "visit.kps change", "visit.count"]))
        {'visit.kps': 70.0, 'visit.kps change': -20.0, 'visit.count': 2.0}
    """
    seen = [(day, values) for day, values in rows if day <= landmark]
    found: dict[str, float] = {}
    for feature in features:
        if feature == COUNT:
            found[feature] = float(len(seen))
        elif feature == SINCE:
            found[feature] = landmark - seen[-1][0] if seen else math.nan
        elif _needs_column(feature):
            name = feature.removeprefix(PREFIX).removesuffix(CHANGE)
            known = [v[name] for _, v in seen if math.isfinite(v[name])]
            last = known[-1] if known else math.nan
            found[feature] = last - known[0] if feature.endswith(CHANGE) and known else last
    return found
