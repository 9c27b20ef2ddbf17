"""Features of rows: numbers, and cyclic numbers as sine and cosine, scaled."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.io.tables import number
from flame.streams.networks.base import Array
from flame.streams.sources.tables.config import TableConfig

_LARGEST = 1e100
"""Largest magnitude of a number, so that its square is finite."""


def features(config: TableConfig, table: pd.DataFrame, first: NDArray[np.bool_]) -> Array:
    """Compute the scaled features of a table.

    A cyclic feature becomes the sine and cosine of its phase. Features are scaled by mean and
    standard deviation over the first step, missing values become the mean, and scaled values are
    clipped to +- 10.

    Args:
        config: names of the columns, and periods of the cyclic ones.
        table: rows as text.
        first: mask (row,) of the rows of the first step.

    Returns:
        Features (row, feature) in the order of ``config.raw``.

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
    return _scaled(np.column_stack(columns), first)


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


def _scaled(features: Array, first: NDArray[np.bool_]) -> Array:
    """Scale features by mean and standard deviation over the rows of the first step."""
    known = np.isfinite(features[first])
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, features[first], 0).sum(axis=0) / count
    square = np.where(known, features[first] - mean, 0) ** 2
    deviation = np.sqrt(square.sum(axis=0) / count)
    scaled = (features - mean) / np.where(deviation > 0, deviation, 1)
    return np.asarray(np.clip(np.nan_to_num(scaled, nan=0.0), -10, 10))
