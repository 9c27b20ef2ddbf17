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
from flame.streams.arrivals import Arrivals
from flame.streams.networks.base import Array
from flame.streams.sources.tables.config import SITE, TableConfig

_LARGEST = 1e100
"""Largest magnitude of a number, so that its square is finite."""
_ENOUGH = 30
"""Number of values after which the scale of a feature remains; its standard deviation then has an
error of about 13 %."""


def features(config: TableConfig, table: pd.DataFrame, step: NDArray[np.int_]) -> Array:
    """Compute the scaled features of a table.

    A cyclic feature becomes the sine and cosine of its phase. A feature is scaled by ``Scale`` with
    its values until the end of the row's step, of all nodes or of the node of the row.

    Args:
        config: names of the columns, and periods of the cyclic ones.
        table: rows as text.
        step: number (row,) of the step of each row.

    Returns:
        Features (row, feature) in the order of ``config.raw``, then of ``config.changes``.

    Raises:
        BadInput: a cell is not a number, or is beyond 1e100.
    """
    values = unscaled(config, table)
    if config.scale == "all":
        return _scaled(values, step)
    scaled = np.zeros(values.shape)
    for rows in table.groupby(SITE).indices.values():
        scaled[rows] = _scaled(values[rows], step[rows])
    return scaled


def unscaled(config: TableConfig, table: pd.DataFrame) -> Array:
    """Compute the features of a table as they are.

    Args:
        config: names of the columns, and periods of the cyclic ones.
        table: rows as text.

    Returns:
        Features (row, feature); NaN where a value is missing.

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
    return np.column_stack(columns)


def arrivals_of(config: TableConfig, table: pd.DataFrame) -> Arrivals:
    """Return rows as a watch for drift sees them: not scaled.

    Args:
        config: names of the columns.
        table: rows as text.

    Returns:
        The rows, with devices and patients where the configuration names their columns.
    """
    unknown = pd.Series("", table.index)
    device, subject = (
        table[name].fillna("").astype(str) if name else unknown
        for name in (config.device_column, config.subject_column)
    )
    return Arrivals(unscaled(config, table), device.to_numpy(str), subject.to_numpy(str))


def feature_count(config: TableConfig) -> int:
    """Return the number of features of a row."""
    return len(feature_names(config))


def feature_names(config: TableConfig) -> tuple[str, ...]:
    """Return the names of the features of a row."""
    names: list[str] = []
    for name in config.raw:
        names += [f"sine of {name}", f"cosine of {name}"] if name in config.cyclic else [name]
    return (*names, *(f"change of {name}" for name in config.changes))


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


class Scale:
    """Scales features by the mean and standard deviation of their values so far.

    Once there are 30 values of a feature that are not all equal, these two remain. A missing value
    becomes the mean, and scaled values are clipped to +- 10.

    Args:
        features: number of features.

    Example:
        >>> Scale(1).see(np.array([[1.0], [3.0], [np.nan]])).round(2).tolist()
        [[-1.0], [1.0], [0.0]]
    """

    def __init__(self, features: int) -> None:
        self._fitted = summarise(np.zeros((0, features)))

    def see(self, features: Array) -> Array:
        """Scale the rows of a step.

        Args:
            features: features (row, feature); NaN is a missing value.

        Returns:
            Scaled features (row, feature).
        """
        enough = (self._fitted.count >= _ENOUGH) & np.isfinite(spread(self._fitted))
        if not enough.all():
            unfixed = np.where(enough, np.nan, features)
            self._fitted = merge([self._fitted, summarise(unfixed)])
        return np.asarray(np.clip(standardise(features, self._fitted), -10, 10))


def _scaled(features: Array, step: NDArray[np.int_]) -> Array:
    """Scale each feature step by step."""
    scaled = np.zeros(features.shape)
    scale = Scale(features.shape[1])
    for now in np.unique(step):
        scaled[step == now] = scale.see(features[step == now])
    return scaled
