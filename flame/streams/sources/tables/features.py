"""What a row is told from: numbers, those that start again as a circle, scaled."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.io.tables import number
from flame.streams.networks.base import Array
from flame.streams.sources.tables.config import TableConfig

_MOST = 1e100
"""Squares of more are no numbers."""


def features(config: TableConfig, table: pd.DataFrame, first: NDArray[np.bool_]) -> Array:
    """Features (row, feature), scaled by rows of the ``first`` step; BadInput for other text."""
    columns = []
    for name in config.raw:
        values = numbers(table[name], "table")
        if name in config.cyclic:
            turn = 2 * np.pi * values / config.cyclic[name]
            columns += [np.sin(turn), np.cos(turn)]
        else:
            columns.append(values)
    return _scaled(np.column_stack(columns), first)


def numbers(column: "pd.Series[str]", where: str) -> Array:
    """Cells as numbers, NaN where empty; BadInput that says ``where``, with the first other one."""
    values = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero(values.isna() & column.notna())
    for row in wrong:
        values.iloc[int(row)] = number(
            column.iloc[row], f"{where}, row {row + 1}", str(column.name)
        )
    found = values.to_numpy(float)
    if (np.abs(found) > _MOST).any():
        raise BadInput(
            f"{where}, column {column.name}: holds a number beyond 1e100; if that stands for "
            "missing ones, name it in table.missing"
        )
    return found


def _scaled(features: Array, first: NDArray[np.bool_]) -> Array:
    known = np.isfinite(features[first])
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, features[first], 0).sum(axis=0) / count
    square = np.where(known, features[first] - mean, 0) ** 2
    spread = np.sqrt(square.sum(axis=0) / count)
    scaled = (features - mean) / np.where(spread > 0, spread, 1)
    return np.asarray(np.clip(np.nan_to_num(scaled, nan=0.0), -10, 10))
