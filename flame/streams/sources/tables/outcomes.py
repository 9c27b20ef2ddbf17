"""Outcomes of rows: the class to predict, at the time of the row or later."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.streams.sources.tables.config import TableConfig
from flame.streams.sources.tables.features import numbers
from flame.streams.sources.tables.rows import SITE, TIME

Y = "\0y"
"""Column with the class of a row; the leading NUL keeps it apart from columns of files."""
_ROW = "\0row"
_NEAR, _TWICE = 1e-3, 0.01
"""Tolerance of the later time, as a share of ``ahead``; and the largest share of rows that may
repeat the node and time of another row."""
_CLASSES = 50
"""Most values of an outcome that count as classes; with more it is probably a number that the
configuration gives no threshold for."""


def with_outcomes(config: TableConfig, table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows whose time and outcome are known, with the class of each.

    Args:
        config: how the outcome becomes a class.
        table: rows with the columns of ``read_rows``.

    Returns:
        The rows with a column ``Y`` of classes from 0, and the names of the classes.

    Raises:
        BadInput: no outcome is known, all are of one class, or there are more than 50 classes; or
            rows are ambiguous where the outcome is read from later rows.
    """
    value = _later(config, table) if config.ahead else table[config.outcome]
    value = _alike(value)
    known = value.notna() & table[TIME].notna()
    if config.among:
        known &= value.isin(_alike(config.among))
    table, value = table[known].copy(), value[known]
    if config.above is not None:
        table[Y] = (numbers(value, "table") > config.above).astype(int)
        classes = [f"up to {config.above:g}", f"above {config.above:g}"]
    elif config.positive:
        table[Y] = value.isin(_alike(config.positive)).astype(int)
        classes = ["other", " or ".join(config.positive)]
    else:
        classes = sorted(value.unique())
        if len(classes) > _CLASSES:
            raise BadInput(
                f"table.outcome {config.outcome} has {len(classes)} values: say which are meant by "
                "table.above, positive or among"
            )
        table[Y] = value.map({name: k for k, name in enumerate(classes)})
    if table.empty:
        raise BadInput(f"table.outcome {config.outcome}: no row has a known time and outcome")
    if table[Y].nunique() < 2:
        raise BadInput(f"table.outcome {config.outcome}: all known values are of one class")
    return table.reset_index(drop=True), tuple(classes)


def _alike(cells: "Iterable[str]") -> "pd.Series[str]":
    """Write cells that are the same number as the same text, such as 1 and 1.0."""
    found = pd.Series(cells, dtype=object)
    value = pd.to_numeric(found, errors="coerce")
    return found.where(~np.isfinite(value), value.map(lambda number: f"{number:.12g}"))


def _later(config: TableConfig, table: pd.DataFrame) -> "pd.Series[str]":
    """Return the outcome of the same node and subject ``ahead`` later.

    Where several rows have the same time, the first one counts.
    """
    keys = [SITE, *filter(None, [config.subject_column])]
    rows = table[table[TIME].notna()]
    twice = rows.duplicated([*keys, TIME])
    if not config.subject_column and twice.mean() > _TWICE:
        raise BadInput(
            f"table.ahead: {twice.sum()} of {len(rows)} rows have the node and time of another; "
            "name the column that tells whose they are: table.subject_column"
        )
    later = rows.loc[~twice, [*keys, TIME, config.outcome]]
    asked = rows[[*keys, TIME]].copy()
    asked[TIME], asked[_ROW] = rows[TIME] + config.ahead, rows.index
    found = pd.merge_asof(
        asked.sort_values(TIME),
        later.sort_values(TIME),
        on=TIME,
        by=keys,
        direction="nearest",
        tolerance=config.ahead * _NEAR,  # type: ignore[arg-type]
    )
    return found.set_index(_ROW)[config.outcome].reindex(table.index)
