"""Rows of all files of a stream, each with its site and time."""

from pathlib import Path

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.io.tables import read_table
from flame.streams.sources.tables.config import TableConfig, paths_of
from flame.streams.sources.tables.features import numbers

_COMPACT = r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
"""Dates such as 20201231, which would pass for plain numbers."""
SITE, TIME = "\0site", "\0time"
"""Columns with the node and the time of a row; the leading NUL keeps them apart from columns of
files."""


def read_rows(config: TableConfig, seed: int) -> pd.DataFrame:
    """Read the rows of all files, sorted by time and site.

    Times that are dates become hours. Times that are numbers stay as they are; without time columns
    the time is the number of the file.

    Args:
        config: files, columns, and how rows are dealt to nodes.
        seed: decides the order in which rows or subjects are dealt.

    Returns:
        Cells as text, with the columns ``SITE`` (the node) and ``TIME`` (a number).

    Raises:
        BadInput: a column is missing, a cell cannot be read, or files do not go together; the
            message names the file and the column.
    """
    times = config.time_columns
    needed = [
        *config.raw,
        config.outcome,
        *times,
        *filter(None, [config.site_column, config.subject_column]),
    ]
    parts, paths = [], paths_of(config)
    for place, path in enumerate(paths):
        part = read_table(path, needed).apply(lambda column: column.str.strip())
        part = part.replace([name.strip() for name in config.missing], np.nan)
        for name in config.raw:
            numbers(part[name], str(path))
        part[TIME] = _times(part, times, path).astype(float) if times else float(place)
        if config.site_column:
            part[SITE] = _named(part[config.site_column], path)
        elif not config.deal:
            part[SITE] = _node_of(path, paths)
        else:  # files can be sorted by outcome
            order = np.random.default_rng([seed, place]).permutation(len(part))
            part = part.iloc[order].assign(**{SITE: np.arange(len(part)) % config.deal})
        if config.subject_column:
            part[config.subject_column] = _named(part[config.subject_column], path)
        parts.append(part)
    told = [part[times[0]] for part in parts if len(times) == 1]
    if len({is_number(column) for column in told if column.notna().any()}) > 1:
        raise BadInput(f"table.time_columns {times[0]}: numbers in some files, dates in others")
    table = pd.concat(parts, ignore_index=True)
    if config.deal:
        table[SITE] = _dealt(config, table, seed)
    found: pd.DataFrame = table.sort_values([TIME, SITE], kind="stable")
    return found


def _named(column: "pd.Series[str]", path: Path) -> "pd.Series[str]":
    if column.isna().any():
        raise BadInput(
            f"{path}: column {column.name} is empty in {column.isna().sum()} rows, which are "
            "nobody's (NA and the like count as empty); fill it, or leave them out"
        )
    return column.astype(str)


def _node_of(path: Path, paths: list[Path]) -> str:
    """Return the name of a file up to its first point."""
    name = path.name.split(".")[0]
    for other in paths:
        if other != path and other.name.split(".")[0] == name:
            raise BadInput(
                f"{path} and {other} would be one node, '{name}': rename them, or name "
                "table.site_column"
            )
    return name


def _dealt(config: TableConfig, table: pd.DataFrame, seed: int) -> "pd.Series[str]":
    """Deal rows in turn, or subjects in turn in a random order."""
    turn = table[SITE]
    if config.subject_column:
        subjects = np.sort(table[config.subject_column].unique())
        if len(subjects) < config.deal:
            raise BadInput(
                f"table.deal: {config.deal} nodes, and {config.subject_column} names "
                f"{len(subjects)}; deal to as many or fewer"
            )
        place = np.random.default_rng(seed).permutation(len(subjects)) % config.deal
        turn = table[config.subject_column].map(dict(zip(subjects, place, strict=True)))
    width = len(str(config.deal))
    return turn.map(lambda k: f"node-{k + 1:0{width}d}")


def _times(part: pd.DataFrame, columns: tuple[str, ...], path: Path) -> "pd.Series[float]":
    """Return dates as hours, and numbers as they are."""
    if len(columns) > 1:
        try:
            dates = pd.to_datetime(part[list(columns)].astype(float).astype(int))
        except (ValueError, TypeError):
            raise BadInput(
                f"{path}: {', '.join(columns)} are no dates; name them year, month, day and hour"
            ) from None
        return _hours(dates)
    column = part[columns[0]]
    times = pd.to_numeric(column, errors="coerce")
    if np.isinf(times).any():
        raise BadInput(f"{path}: column {columns[0]} holds a time without end (inf)")
    if is_number(column):
        if column.notna().any() and column.dropna().str.fullmatch(_COMPACT).all():
            raise BadInput(
                f"{path}: column {columns[0]} holds dates as 20201231; write them as 2020-12-31, "
                "or they would count as plain numbers"
            )
        return times
    dates = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    wrong = np.flatnonzero(dates.isna() & column.notna())
    if times.notna().sum() > dates.notna().sum():
        odd = np.flatnonzero(times.isna() & column.notna())
        raise BadInput(
            f"{path}: column {columns[0]} holds numbers, but for {len(odd)} of {len(part)} rows, "
            f"row {odd[0] + 1} first"
        )
    if len(wrong) or dates.isna().all():
        where = f" in {len(wrong)} of {len(part)} rows, row {wrong[0] + 1} first" * (len(wrong) > 0)
        raise BadInput(
            f"{path}: column {columns[0]} holds neither numbers nor dates as 2020-12-31{where}"
        )
    return _hours(dates.dt.tz_localize(None))


def _hours(dates: "pd.Series[pd.Timestamp]") -> "pd.Series[float]":
    return (dates - pd.Timestamp("2000-01-01")) / pd.Timedelta(hours=1)


def is_number(column: "pd.Series[str]") -> bool:
    """Return whether every cell that is not empty holds a number.

    Args:
        column: cells as text.

    Example:
        >>> is_number(pd.Series(["1", None])), is_number(pd.Series(["1", "2020-01-01"]))
        (True, False)
    """
    return bool(pd.to_numeric(column, errors="coerce").notna().sum() == column.notna().sum())
