"""Quantiles of a column in the same season of earlier years."""

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.streams.networks.base import Array
from flame.streams.sources.tables.config import SITE, TIME, TableConfig
from flame.streams.sources.tables.features import numbers
from flame.streams.sources.tables.rows import EPOCH, hours, is_number

_DAY = 24.0
"""Hours of a day."""
_YEAR = 365 * _DAY
"""Hours of a year, or 24 fewer."""
_SEASON = 15.5 * _DAY
"""Hours before and after noon that belong to the season of a day."""
_LEAST = 30
"""Fewest values of earlier years that have a quantile."""


def seasonal_quantiles(config: TableConfig, table: pd.DataFrame, share: float) -> Array:
    """Compute the quantile of the outcome's column in the season of each row.

    The season of a row is the 31 days around the day of its outcome, in all earlier years, at the
    same node. Later rows change no quantile, so that a table may grow.

    Args:
        config: the outcome, how much later it is read, and the columns of times.
        table: rows with the columns of ``read_rows``.
        share: share of the values below the quantile, between 0 and 1.

    Returns:
        Quantiles (rows,) in units of the column; NaN where earlier years have fewer than 30 values.

    Raises:
        BadInput: times are numbers, which have no years, or a value is no number.

    Example:
        Two years ago the level was 1 to 31 in the same month, a year ago 32 to 62.

        >>> days = pd.date_range("2018-05-01", periods=31).append(
        ...     pd.date_range("2019-05-01", periods=31)
        ... )
        >>> days = days.append(pd.DatetimeIndex(["2020-05-16"]))
        >>> time = hours(pd.Series(days))
        >>> table = pd.DataFrame({SITE: "a", TIME: time, "level": range(1, 64), "time": "date"})
        >>> config = TableConfig(outcome="level", time_columns=("time",))
        >>> float(seasonal_quantiles(config, table, 0.5)[-1])
        31.5
    """
    times = table[TIME].to_numpy(float)
    quantiles = np.full(len(table), np.nan)
    dated = np.isfinite(times)
    if not dated.any():
        return quantiles
    if len(config.time_columns) == 1 and is_number(table[config.time_columns[0]]):
        raise BadInput("table.below_quantile: times are numbers, and seasons need dates")
    values = numbers(table[config.outcome], "table")
    known = dated & np.isfinite(values)
    for of_node in table.reset_index(drop=True).groupby(SITE).indices.values():
        rows, past = of_node[dated[of_node]], of_node[known[of_node]]
        past = past[np.argsort(times[past], kind="stable")]
        if len(past):
            earlier = times[past], values[past]
            quantiles[rows] = _at(times[rows] + config.ahead, config.ahead, *earlier, share)
    return quantiles


def _at(wanted: Array, ahead: float, past: Array, levels: Array, share: float) -> Array:
    """Return the quantile of the season of each wanted time; levels are in order of ``past``."""
    days, place = np.unique(wanted // _DAY, return_inverse=True)
    noon = (days + 0.5) * _DAY
    seasons: list[list[Array]] = [[] for _ in days]
    years = 1 + int((ahead + _SEASON + _DAY) // _YEAR)  # nothing that is later than the row
    while len(late := np.flatnonzero(noon - years * _YEAR + _SEASON + _DAY > past[0])):
        dates = pd.DatetimeIndex(EPOCH + pd.to_timedelta(noon[late], unit="h"))
        middle = hours(pd.Series(dates - pd.DateOffset(years=years))).to_numpy(float)
        first, last = (np.searchsorted(past, middle + side) for side in (-_SEASON, _SEASON))
        for day, begin, end in zip(late.tolist(), first, last, strict=True):
            seasons[day].append(levels[begin:end])
        years += 1
    found = [
        np.quantile(np.concatenate(season), share) if sum(map(len, season)) >= _LEAST else np.nan
        for season in seasons
    ]
    return np.array(found)[place]
