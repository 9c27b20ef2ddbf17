"""Streams from tables: rows in steps of time, with a node for each site."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.gossip.topology import near
from flame.streams.networks.base import Array, Labels
from flame.streams.sources.tables.config import TableConfig
from flame.streams.sources.tables.features import features
from flame.streams.sources.tables.outcomes import Y, with_outcomes
from flame.streams.sources.tables.rows import SITE, TIME, is_number, read_rows
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
    table[_STEP] = _steps(config, table)
    table = table[table[_STEP] >= 0].reset_index(drop=True)
    if table.empty:
        raise BadInput("table.ahead: every outcome lies in a later step; make table.step longer")
    nodes = tuple(sorted((rows if config.deal else table)[SITE].unique()))
    silent = tuple(sorted(set(rows[SITE]) - set(nodes)))
    if len(nodes) < 2:
        raise BadInput("table: all rows belong to 1 node; set table.site_column or table.deal")
    steps = sorted(table[_STEP].unique())
    if len(steps) < 2:
        raise BadInput("table: all rows belong to one step; make table.step smaller")
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
    unknown = np.full((len(steps), len(nodes)), -1)
    places = _places(config, nodes)
    links = None if places is None else near(places[:, 0], places[:, 1], degree)
    stream = Stream(nodes, classes, tuple(batches), unknown, config.simulated, links, places)
    return replace(stream, left_out=len(rows) - stream.rows, silent=silent)


def _steps(config: TableConfig, table: pd.DataFrame) -> "pd.Series[int]":
    """Return the step of each row; -1 where its outcome is known only in a later step."""
    time = table[TIME]
    if not config.time_columns:
        place = table.groupby([TIME, SITE]).cumcount()
        count = table.groupby([TIME, SITE])[Y].transform("size")
        part = place * config.parts // count
        return pd.Series(time * config.parts + part, dtype=int)
    dated = len(config.time_columns) > 1 or not is_number(table[config.time_columns[0]])
    size = config.step * (24 if dated else 1) / config.parts
    since = time - time.min()
    step = (since // size).astype(int)
    return pd.Series(step.where((since + config.ahead) // size == step, -1))


def _node(
    config: TableConfig, x: Array, labels: Labels, rows: NDArray[np.int_]
) -> tuple[Array, Labels, Labels]:
    """Return the features, labels and true labels of a node in a step."""
    if config.rows and len(rows) > config.rows:
        rows = rows[np.linspace(0, len(rows) - 1, config.rows).astype(int)]
    return x[rows], labels[rows], labels[rows]


def _places(config: TableConfig, nodes: tuple[str, ...]) -> Array | None:
    """Return latitude and longitude (node, 2) of the nodes, or None where they are unknown."""
    if not config.places:
        return None
    missing = [name for name in nodes if len(config.places.get(name, ())) != 2]
    if missing:
        raise BadInput(f"table.places: latitude and longitude of {missing[0]} are missing")
    return np.array([config.places[name] for name in nodes], float)
