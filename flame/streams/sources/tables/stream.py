"""Streams from tables: rows in steps of time, with a node for each site."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.gossip.topology import near
from flame.io.tables import number
from flame.streams.networks.base import Array, Labels, evenly
from flame.streams.sources.tables.config import SITE, TIME, TableConfig
from flame.streams.sources.tables.features import arrivals_of, feature_names, features
from flame.streams.sources.tables.outcomes import Y, check_outcomes, with_outcomes
from flame.streams.sources.tables.rows import hours, is_number, read_rows
from flame.streams.sources.tables.shifted import with_changes
from flame.streams.stream import Stream, padded

_STEP = "\0step"
"""Column with the step of a row."""


def table_stream(config: TableConfig, degree: int, seed: int) -> Stream:
    """Read the stream of a table.

    Args:
        config: files, columns and steps.
        degree: number of neighbours of each node where places are known.
        seed: decides how rows are dealt to nodes.

    Returns:
        The stream, with a node for each site and unknown concepts.

    Raises:
        BadInput: the table cannot be read, has fewer than two nodes or steps, all outcomes lie in a
            later step, or a node has no place.
    """
    rows = with_changes(config, read_rows(config, seed))
    table, classes = with_outcomes(config, rows)
    check_outcomes(config, table)
    table[_STEP] = steps_of(config, table)
    table = table[table[_STEP] >= 0].reset_index(drop=True)
    if table.empty:
        raise BadInput("table.ahead: every outcome lies in a later step; make table.step longer")
    nodes = tuple(sorted((rows if config.deal else table)[SITE].unique()))
    silent = tuple(sorted(set(rows[SITE]) - set(nodes)))
    if len(nodes) < 2:
        raise BadInput("table: all rows belong to 1 node; set table.site_column or table.deal")
    steps = sorted(table[_STEP].unique())
    if len(steps) < 2:
        seasonal = config.below_quantile is not None
        more = ", or give rows of an earlier year, whose season has the quantile" * seasonal
        raise BadInput(f"table: all rows belong to one step; make table.step smaller{more}")
    x = features(config, table, table[_STEP].to_numpy(int))
    labels = table[Y].to_numpy(np.int64)
    no_rows = np.zeros(0, int)
    groups = {key: np.asarray(at) for key, at in table.groupby([_STEP, SITE]).indices.items()}
    batches = [
        padded(
            [_node(config, x, labels, groups.get((step, name), no_rows)) for name in nodes],
            x.shape[1:],
        )
        for step in steps
    ]
    arrived = _arrived(config, rows, table, steps) if config.time_columns else table
    seen = arrivals_of(config, arrived)
    places_of = {k: np.asarray(at) for k, at in arrived.groupby([_STEP, SITE]).indices.items()}
    arrivals = tuple(
        tuple(seen.at(places_of.get((step, name), no_rows)) for name in nodes) for step in steps
    )
    unknown = np.full((len(steps), len(nodes)), -1)
    places = _places(config, nodes)
    links = None if places is None else near(places[:, 0], places[:, 1], degree)
    stream = Stream(nodes, classes, tuple(batches), unknown, config.simulated, links, places)
    return replace(
        stream,
        left_out=len(rows) - stream.rows,
        silent=silent,
        features=feature_names(config),
        arrivals=arrivals,
    )


def _arrived(
    config: TableConfig, rows: pd.DataFrame, table: pd.DataFrame, steps: list[int]
) -> pd.DataFrame:
    """Return all rows, also those without an outcome, with the step in which a site sees them.

    Rows of a step without any outcome arrive in the next one.
    """
    timed = rows[rows[TIME].notna()].reset_index(drop=True)
    own = times_in_steps(config, timed, table[TIME].min()).to_numpy(int)
    later = np.searchsorted(steps, own)
    known = (own >= 0) & (later < len(steps))
    return timed[known].assign(**{_STEP: np.array(steps)[later[known]]}).reset_index(drop=True)


def steps_of(config: TableConfig, table: pd.DataFrame) -> "pd.Series[int]":
    """Compute the step of each row.

    Args:
        config: length and start of steps.
        table: rows of ``with_outcomes``.

    Returns:
        Numbers from 0; -1 for a row before the start, or whose outcome is known only in a later
        step.

    Raises:
        BadInput: the start is no date or number, as the times of rows are.
    """
    time = table[TIME]
    if not config.time_columns:
        place = table.groupby([TIME, SITE]).cumcount()
        count = table.groupby([TIME, SITE])[Y].transform("size")
        part = place * config.parts // count
        return pd.Series(time * config.parts + part, dtype=int)
    since, size = _since_start(config, table, time.min())
    step = (since // size).astype(int)
    in_time = (since >= 0) & ((since + config.ahead) // size == step)
    return pd.Series(step.where(in_time, -1))


def times_in_steps(config: TableConfig, table: pd.DataFrame, first: float) -> "pd.Series[int]":
    """Compute the step in which the time of each row lies.

    Args:
        config: length and start of steps.
        table: rows with a time.
        first: time at which the first step begins where the configuration does not say it.

    Returns:
        Numbers from 0, and negative ones before the first step.
    """
    since, size = _since_start(config, table, first)
    return pd.Series((since // size).astype(int))


def _since_start(
    config: TableConfig, table: pd.DataFrame, first: float
) -> tuple["pd.Series[float]", float]:
    """Return the time of each row since the first step began, and the length of a step."""
    dated = len(config.time_columns) > 1 or not is_number(table[config.time_columns[0]])
    start = start_of(config, dated) if config.start else first
    return table[TIME] - start, config.step * (24 if dated else 1) / config.parts


def start_of(config: TableConfig, dated: bool) -> float:
    """Return the start of the first step as a time of rows.

    Args:
        config: the configuration.
        dated: whether times are dates, which count in hours.

    Returns:
        The time.

    Raises:
        BadInput: the start is no date, or no number.
    """
    if not dated:
        return number(config.start, "table", "start")
    try:
        start = pd.to_datetime(pd.Series([config.start]), utc=True, format="ISO8601")
        return float(hours(start.dt.tz_localize(None)).iloc[0])
    except ValueError:
        raise BadInput(f"table.start: '{config.start}' is no date such as 2020-12-31") from None


def _node(
    config: TableConfig, x: Array, labels: Labels, rows: NDArray[np.int_]
) -> tuple[Array, Labels, Labels]:
    """Return the features, labels and true labels of a node in a step."""
    rows = evenly(rows, config.rows)
    return x[rows], labels[rows], labels[rows]


def _places(config: TableConfig, nodes: tuple[str, ...]) -> Array | None:
    """Return latitude and longitude (node, 2) of the nodes, or None where they are unknown."""
    if not config.places:
        return None
    missing = [name for name in nodes if len(config.places.get(name, ())) != 2]
    if missing:
        raise BadInput(f"table.places: latitude and longitude of {missing[0]} are missing")
    return np.array([config.places[name] for name in nodes], float)
