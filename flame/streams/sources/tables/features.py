"""Features of rows: numbers, and cyclic numbers as sine and cosine, scaled."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.io.tables import number
from flame.preprocessing.harmonisation.standardisation import (
    merge,
    spread,
    standardise,
    summarise,
)
from flame.streams.networks.base import Array
from flame.streams.sources.tables.config import TableConfig

_LARGEST = 1e100
"""Largest magnitude of a number, so that its square is finite."""
_ENOUGH = 30
"""Number of values after which the scale of a feature remains; its standard deviation then has an
error of about 13 %."""


def features(config: TableConfig, table: pd.DataFrame, step: NDArray[np.int_]) -> Array:
    """Compute the scaled features of a table.

    A cyclic feature becomes the sine and cosine of its phase. A feature is scaled by mean and
    standard deviation of its values until the end of the row's step, over all nodes; once there are
    30 values that are not all equal, these two remain. A missing value becomes the mean, and scaled
    values are clipped to +- 10.

    Args:
        config: names of the columns, and periods of the cyclic ones.
        table: rows as text.
        step: number (row,) of the step of each row.

    Returns:
        Features (row, feature) in the order of ``config.raw``, then of ``config.changes``.

    Raises:
        BadInput: a cell is not a number, or is beyond 1e100.
    """
    columns = []
    for name in config.raw:
        values = numbers(table[name], "table")
        if name in config.cyclic:
            phase = 2 * np.pi * values / config.cyclic[name]
            columns += [np.sin(phase), np.cos(phase)]
        else:
            columns.append(values)
    columns += [table[since(name)].to_numpy(float) for name in config.changes]
    return _scaled(np.column_stack(columns), step)


def since(name: str) -> str:
    """Return the column with the change of a feature; the NUL keeps it apart from a file's."""
    return f"\0since {name}"


def numbers(column: "pd.Series[str]", where: str) -> Array:
    """Convert the cells of a column to numbers.

    Args:
        column: cells as text.
        where: table or file of the column, for the error message.

    Returns:
        Numbers (row,); NaN for empty cells.

    Raises:
        BadInput: a cell is not a number, or is beyond 1e100.

    Example:
        >>> numbers(pd.Series(["1.5", None], name="age"), "table").tolist()
        [1.5, nan]
    """
    values = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero(values.isna() & column.notna())
    for row in wrong:
        values.iloc[int(row)] = number(
            column.iloc[row], f"{where}, row {row + 1}", str(column.name)
        )
    array = values.to_numpy(float)
    if (np.abs(array) > _LARGEST).any():
        raise BadInput(
            f"{where}, column {column.name}: contains a number beyond 1e100; if it means a missing "
            "value, add it to table.missing"
        )
    return array


def _scaled(features: Array, step: NDArray[np.int_]) -> Array:
    """Scale each feature by its values so far, and by the same ones once they are enough."""
    scaled = np.zeros(features.shape)
    fitted = summarise(features[:0])
    for now in np.unique(step):
        rows = step == now
        enough = (fitted.count >= _ENOUGH) & np.isfinite(spread(fitted))
        if not enough.all():
            unfixed = np.where(enough, np.nan, features[rows])
            fitted = merge([fitted, summarise(unfixed)])
        scaled[rows] = np.clip(standardise(features[rows], fitted), -10, 10)
    return scaled
