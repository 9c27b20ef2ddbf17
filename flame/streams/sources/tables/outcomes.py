"""Outcomes of rows: the class to predict, at the time of the row or later."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.streams.networks.base import Array
from flame.streams.sources.tables.config import TIME, TableConfig
from flame.streams.sources.tables.features import numbers
from flame.streams.sources.tables.seasonal import seasonal_quantiles
from flame.streams.sources.tables.shifted import shifted

Y = "\0y"
"""Column with the class of a row; the leading NUL keeps it apart from columns of files."""
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
        BadInput: there are more than 50 classes, or rows are ambiguous where the outcome is read
            from later rows.
    """
    value = table[config.outcome]
    if config.ahead:
        value = shifted(config, table, config.outcome, config.ahead)
    if config.rise:
        now = numbers(table[config.outcome], "table")
        value = pd.Series(numbers(value, "table") - now, table.index, object)
    value = _normalised(value)
    known = value.notna() & table[TIME].notna()
    season: Array | None = None
    if config.below_quantile is not None:
        season = seasonal_quantiles(config, table, config.below_quantile)
        known &= np.isfinite(season)
    if config.among:
        known &= value.isin(_normalised(config.among))
    table = table[known].copy()
    value = value[known]
    classes = list(outcome_classes(config))
    if config.above is not None:
        table[Y] = (numbers(value, "table") > config.above).astype(int)
    elif season is not None:
        table[Y] = (numbers(value, "table") < season[known.to_numpy()]).astype(int)
    elif config.positive:
        table[Y] = value.isin(_normalised(config.positive)).astype(int)
    else:
        classes = sorted(value.unique())
        if len(classes) > _CLASSES:
            raise BadInput(
                f"table.outcome {config.outcome} has {len(classes)} values, and at most {_CLASSES} "
                "count as classes: set table.above, below_quantile, positive or among"
            )
        table[Y] = value.map({name: k for k, name in enumerate(classes)})
    return table.reset_index(drop=True), tuple(classes)


def outcome_classes(config: TableConfig) -> tuple[str, ...]:
    """Name the classes that a configuration defines.

    Args:
        config: how the outcome becomes a class.

    Returns:
        Names of two classes; none where every value of the outcome is a class.
    """
    if config.above is not None:
        return f"up to {config.above:g}", f"above {config.above:g}"
    if config.below_quantile is not None:
        quantile = f"the {100 * config.below_quantile:g} % quantile of the season"
        return f"not below {quantile}", f"below {quantile}"
    return ("other", " or ".join(config.positive)) if config.positive else ()


def check_outcomes(config: TableConfig, table: pd.DataFrame) -> None:
    """Check that there is something to learn.

    Args:
        config: the column of the outcome.
        table: rows of ``with_outcomes``.

    Raises:
        BadInput: no outcome is known, or all are of one class.
    """
    if table.empty:
        seasonal = config.below_quantile is not None
        why = ", in a season of which an earlier year has values" * seasonal
        raise BadInput(f"table.outcome {config.outcome}: no row has a known time and outcome{why}")
    if table[Y].nunique() < 2:
        values = table[config.outcome].dropna().astype(str).unique() if config.positive else ()
        why = f"; table.positive has {', '.join(config.positive)}" if config.positive else ""
        seen = f", and the column {', '.join(sorted(values)[:5])}" if len(values) else ""
        raise BadInput(
            f"table.outcome {config.outcome}: all known values belong to one class{why}{seen}"
        )


def _normalised(cells: "Iterable[str]") -> "pd.Series[str]":
    """Write cells that are the same number as the same text, such as 1 and 1.0."""
    texts = pd.Series(cells, dtype=object)
    value = pd.to_numeric(texts, errors="coerce")
    return texts.where(~np.isfinite(value), value.map(lambda number: f"{number:.12g}"))
