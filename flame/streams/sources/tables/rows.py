"""Rows of all files of a stream, each with its site and time."""

from pathlib import Path

import numpy as np
import pandas as pd

from flame.core.errors import BadInput
from flame.io.tables import read_table
from flame.streams.sources.tables.config import SITE, TIME, TableConfig, paths_of
from flame.streams.sources.tables.features import numbers
from flame.streams.sources.tables.patients import patient_rows

EPOCH = pd.Timestamp("2000-01-01")
"""Time 0 of rows with dates."""
_COMPACT = r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
"""Pattern of dates such as 20201231, which would pass for plain numbers."""
_ZONED = r"\d[T ]\d{1,2}.*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
"""Pattern of times that name their time zone."""
_WHOLE = r"^(-?\d+)\.0+$"
"""Pattern of whole numbers that a program has written as 1.0; names are then 1."""


def read_rows(config: TableConfig, seed: int) -> pd.DataFrame:
    """Read the rows of all files, sorted by time and site.

    Times that are dates become hours. Times that are numbers do not change; without time columns
    the time is the number of the file.

    Args:
        config: files, columns, and how rows are dealt to nodes.
        seed: decides the order in which rows or subjects are dealt.

    Returns:
        Cells as text, with the columns ``SITE`` (the node) and ``TIME`` (a number).

    Raises:
        BadInput: a column is missing, a cell cannot be read, or files do not fit together; the
            message names the file and the column.
    """
    times = config.time_columns
    needed = [
        *config.raw,
        config.outcome,
        *times,
        *filter(None, [config.site_column, config.subject_column, config.device_column]),
    ]
    paths = paths_of(config)
    parts = []
    for place, path in enumerate(paths):
        read = (
            patient_rows(path, needed)
            if path.is_dir()
            else read_table(path, needed, config.columns)
        )
        part = read.apply(lambda column: column.str.strip())
        part = part.replace([name.strip() for name in config.missing], np.nan)
        for name in config.raw:
            numbers(part[name], str(path))
        part[TIME] = _times(part, times, path).astype(float) if times else float(place)
        if config.site_column:
            part[SITE] = _without_gaps(part[config.site_column], path)
        elif not config.deal:
            part[SITE] = _node_of(path, paths)
        else:  # in a random order, because files can be sorted by outcome
            order = np.random.default_rng([seed, place]).permutation(len(part))
            part = part.iloc[order].assign(**{SITE: np.arange(len(part)) % config.deal})
        if config.subject_column:
            part[config.subject_column] = _without_gaps(part[config.subject_column], path)
        parts.append(part)
    time_cells = [part[times[0]] for part in parts if len(times) == 1]
    if len({is_number(column) for column in time_cells if column.notna().any()}) > 1:
        raise BadInput(
            f"table.time_columns {times[0]}: numbers in some files, dates in others; write all as "
            "numbers or all as dates"
        )
    if len({zoned(column).any() for column in time_cells if column.notna().any()}) > 1:
        raise BadInput(
            f"table.time_columns {times[0]}: some files name the time zone of their times, others "
            "do not; write all in one way"
        )
    table = pd.concat(parts, ignore_index=True)
    if config.deal:
        table[SITE] = _dealt(config, table, seed)
    in_order: pd.DataFrame = table.sort_values([TIME, SITE], kind="stable")
    return in_order


def _without_gaps(column: "pd.Series[str]", path: Path) -> "pd.Series[str]":
    """Return the names in a column, of which every row must have one; 1.0 is the name 1."""
    if column.isna().any():
        raise BadInput(
            f"{path}: column {column.name} is empty in {column.isna().sum()} rows (NA and the like "
            "count as empty); fill it, or remove these rows"
        )
    return column.astype(str).str.replace(_WHOLE, r"\1", regex=True)


def _node_of(path: Path, paths: list[Path]) -> str:
    """Return the name of a file up to its first full stop."""
    name = path.name.split(".")[0]
    for other in paths:
        if other != path and other.name.split(".")[0] == name:
            raise BadInput(
                f"{path} and {other} would be one node, '{name}': rename them, or set "
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
                f"table.deal: {config.deal} nodes, but column {config.subject_column} names only "
                f"{len(subjects)} subjects; set at most {len(subjects)}"
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
                f"{path}: columns {', '.join(columns)} cannot be read as dates; name them year, "
                "month, day and hour"
            ) from None
        return hours(dates)
    column = part[columns[0]]
    if part.empty:
        return pd.Series(dtype=float)
    times = pd.to_numeric(column, errors="coerce")
    if np.isinf(times).any():
        raise BadInput(
            f"{path}: column {columns[0]} contains an infinite time (inf); remove the row"
        )
    if is_number(column):
        if column.notna().any() and column.dropna().str.fullmatch(_COMPACT).all():
            raise BadInput(
                f"{path}: column {columns[0]} contains dates such as 20201231, which would count "
                "as plain numbers; write them as 2020-12-31"
            )
        return times
    dates = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    wrong = np.flatnonzero(dates.isna() & column.notna())
    if times.notna().sum() > dates.notna().sum():
        texts = np.flatnonzero(times.isna() & column.notna())
        raise BadInput(
            f"{path}: column {columns[0]} contains numbers, except in {len(texts)} of {len(part)} "
            f"rows, the first of which is row {texts[0] + 1}"
        )
    if len(wrong) or dates.isna().all():
        where = ""
        if len(wrong):
            where = (
                f" in {len(wrong)} of {len(part)} rows, the first of which is row {wrong[0] + 1}"
            )
        raise BadInput(
            f"{path}: column {columns[0]} contains neither numbers nor dates such as "
            f"2020-12-31{where}"
        )
    with_zone = zoned(column)
    if with_zone.any() and not with_zone[column.notna()].all():
        plain = np.flatnonzero(column.notna() & ~with_zone)
        raise BadInput(
            f"{path}: column {columns[0]} contains times with and without a time zone; the first "
            f"without one is row {plain[0] + 1}: write all in one way"
        )
    return hours(dates.dt.tz_localize(None))


def zoned(column: "pd.Series[str]") -> "pd.Series[bool]":
    """Find the times that name their time zone.

    Args:
        column: cells as text.

    Returns:
        Whether each cell is such a time.

    Example:
        >>> zoned(pd.Series(["2020-12-31 10:00Z", "2020-12-31T10:00-05:00", "2020-12-31"])).tolist()
        [True, True, False]
    """
    return column.str.contains(_ZONED, na=False).astype(bool)


def hours(dates: "pd.Series[pd.Timestamp]") -> "pd.Series[float]":
    """Convert dates to times of rows.

    Args:
        dates: dates without a time zone.

    Returns:
        Hours since the beginning of the year 2000.
    """
    return (dates - EPOCH) / pd.Timedelta(hours=1)


def is_number(column: "pd.Series[str]") -> bool:
    """Check whether a column contains only numbers.

    Args:
        column: cells as text.

    Returns:
        Whether every cell that is not empty is a number.

    Example:
        >>> is_number(pd.Series(["1", None])), is_number(pd.Series(["1", "2020-01-01"]))
        (True, False)
    """
    return bool(pd.to_numeric(column, errors="coerce").notna().sum() == column.notna().sum())
