"""Values of a column at another time: outcomes later, and features earlier."""

import pandas as pd

from flame.core.errors import BadInput
from flame.streams.networks.base import Array
from flame.streams.sources.tables.config import SITE, TIME, TableConfig
from flame.streams.sources.tables.features import numbers, since

_ROW = "\0row"
"""Column with the index of a row."""
_TIME_TOLERANCE = 1e-3
"""Tolerance of the other time, as a share of the shift."""
_REPEATED = 0.01
"""Largest share of rows that may repeat the node and time of another row."""


def shifted(config: TableConfig, table: pd.DataFrame, column: str, by: float) -> "pd.Series[str]":
    """Read a column at another time, of the same node and subject.

    Where several rows have the same time, the first one is read.

    Args:
        config: the column that names subjects, if any.
        table: rows with the columns of ``read_rows``.
        column: name of the column.
        by: how much later, in the units of ``TIME``; below 0: earlier.

    Returns:
        Cells as text, one for each row; missing where there is no row at that time.

    Raises:
        BadInput: many rows of a node have the same time, and no column names their subject.
    """
    keys = [SITE, *filter(None, [config.subject_column])]
    rows = table[table[TIME].notna()]
    repeated = rows.duplicated([*keys, TIME])
    if not config.subject_column and repeated.mean() > _REPEATED:
        key = "ahead" if by > 0 else "changes"
        raise BadInput(
            f"table.{key}: {repeated.sum()} of {len(rows)} rows have the node and time of another "
            "row; set table.subject_column to the column that names their subject"
        )
    there = rows.loc[~repeated, [*keys, TIME, column]]
    queries = rows[[*keys, TIME]].copy()
    queries[TIME] = rows[TIME] + by
    queries[_ROW] = rows.index
    matches = pd.merge_asof(
        queries.sort_values(TIME),
        there.sort_values(TIME),
        on=TIME,
        by=keys,
        direction="nearest",
        tolerance=abs(by) * _TIME_TOLERANCE,  # type: ignore[arg-type]
    )
    return matches.set_index(_ROW)[column].reindex(table.index)


def with_changes(config: TableConfig, table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of ``table.changes``: how much a feature has changed since then.

    Args:
        config: features, and how much earlier each is read.
        table: rows with the columns of ``read_rows``.

    Returns:
        The rows with a column ``since(name)`` of numbers for each.

    Raises:
        BadInput: see ``shifted``.
    """
    changes: dict[str, Array] = {}
    for name, by in config.changes.items():
        before = numbers(shifted(config, table, name, -by), "table")
        changes[since(name)] = numbers(table[name], "table") - before
    return table.assign(**changes)
