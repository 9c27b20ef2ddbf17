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
"""Column with the index of a row."""
_TIME_TOLERANCE = 1e-3
"""Tolerance of the later time, as a share of ``ahead``."""
_REPEATED = 0.01
"""Largest share of rows that may repeat the node and time of another row."""
_CLASSES = 50
"""Largest number of values of an outcome that count as classes. An outcome with more is probably a
number, for which the configuration gives no threshold."""


def with_outcomes(config: TableConfig, table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Select the rows whose time and outcome are known, and compute the class of each.

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
    value = _normalised(value)
    known = value.notna() & table[TIME].notna()
    if config.among:
        known &= value.isin(_normalised(config.among))
    table = table[known].copy()
    value = value[known]
    if config.above is not None:
        table[Y] = (numbers(value, "table") > config.above).astype(int)
        classes = [f"up to {config.above:g}", f"above {config.above:g}"]
    elif config.positive:
        table[Y] = value.isin(_normalised(config.positive)).astype(int)
        classes = ["other", " or ".join(config.positive)]
    else:
        classes = sorted(value.unique())
        if len(classes) > _CLASSES:
            raise BadInput(
                f"table.outcome {config.outcome} has {len(classes)} values, and at most {_CLASSES} "
                "count as classes: set table.above, table.positive or table.among"
            )
        table[Y] = value.map({name: k for k, name in enumerate(classes)})
    if table.empty:
        raise BadInput(f"table.outcome {config.outcome}: no row has a known time and outcome")
    if table[Y].nunique() < 2:
        raise BadInput(f"table.outcome {config.outcome}: all known values belong to one class")
    return table.reset_index(drop=True), tuple(classes)


def _normalised(cells: "Iterable[str]") -> "pd.Series[str]":
    """Write cells that are the same number as the same text, such as 1 and 1.0."""
    texts = pd.Series(cells, dtype=object)
    value = pd.to_numeric(texts, errors="coerce")
    return texts.where(~np.isfinite(value), value.map(lambda number: f"{number:.12g}"))


def _later(config: TableConfig, table: pd.DataFrame) -> "pd.Series[str]":
    """Return the outcome of the same node and subject ``ahead`` later.

    Where several rows have the same time, the outcome of the first one is used.
    """
    keys = [SITE, *filter(None, [config.subject_column])]
    rows = table[table[TIME].notna()]
    repeated = rows.duplicated([*keys, TIME])
    if not config.subject_column and repeated.mean() > _REPEATED:
        raise BadInput(
            f"table.ahead: {repeated.sum()} of {len(rows)} rows have the node and time of another "
            "row; set table.subject_column to the column that names their subject"
        )
    later = rows.loc[~repeated, [*keys, TIME, config.outcome]]
    queries = rows[[*keys, TIME]].copy()
    queries[TIME] = rows[TIME] + config.ahead
    queries[_ROW] = rows.index
    matches = pd.merge_asof(
        queries.sort_values(TIME),
        later.sort_values(TIME),
        on=TIME,
        by=keys,
        direction="nearest",
        tolerance=config.ahead * _TIME_TOLERANCE,  # type: ignore[arg-type]
    )
    return matches.set_index(_ROW)[config.outcome].reindex(table.index)
