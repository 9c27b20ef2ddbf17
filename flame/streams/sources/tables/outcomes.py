"""What is to be told of each row: its class, now or some time later."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.streams.sources.tables.config import TableConfig
from flame.streams.sources.tables.features import numbers
from flame.streams.sources.tables.rows import SITE, TIME

Y = "\0y"
_ROW = "\0row"
_NEAR, _TWICE = 1e-3, 0.01
"""Share of ``ahead`` by which times may miss it; share of rows that may double others."""
_CLASSES = 50
"""More are taken for a number that nobody said where to cut."""


def with_outcomes(config: TableConfig, table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Rows whose time and outcome are known, with their class, and the names of classes."""
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
    """Cells of which those that are the same number are the same text: 1 and 1.0."""
    found = pd.Series(cells, dtype=object)
    value = pd.to_numeric(found, errors="coerce")
    return found.where(~np.isfinite(value), value.map(lambda number: f"{number:.12g}"))


def _later(config: TableConfig, table: pd.DataFrame) -> "pd.Series[str]":
    """The outcome of the same node and subject ``ahead`` later; of two at one time the first."""
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
