"""Reads a table in which a person names the sequence of series."""

from pathlib import Path

from flame.core.errors import BadInput
from flame.core.imaging import Sequence
from flame.core.registry import nearest
from flame.io.tables import line_of, read_table

_NONE = "none"
"""Cell in the column ``sequence`` that leaves a series out."""


def read_overrides(path: Path | None) -> dict[str, Sequence | None]:
    """Read a table with the columns ``series_uid`` and ``sequence``.

    ``series_uid``, or ``series`` for short, is a SeriesInstanceUID as printed by ``flame inspect
    --json``. ``sequence`` is T1, T1C, T2, FLAIR, ADC, RCBV, or none to leave the series out.

    Args:
        path: the table; None: no overrides.

    Returns:
        Sequence by SeriesInstanceUID; None leaves the series out.

    Raises:
        BadInput: a column is missing, a series occurs twice, or a sequence is unknown.
    """
    if path is None:
        return {}
    overrides: dict[str, Sequence | None] = {}
    table = read_table(path, ("sequence",)).fillna("")
    column = "series_uid" if "series_uid" in table.columns else "series"
    if column not in table.columns:
        raise BadInput(f"{path} has no column 'series_uid'; flame inspect --json prints it")
    for index, row in table.iterrows():
        where = line_of(path, index)
        uid = str(row[column]).strip()
        name = str(row["sequence"]).strip()
        choices = [*map(str, Sequence), _NONE]
        if uid in overrides:
            raise BadInput(f"{where}: series {uid} occurs twice; keep one of its lines")
        if name.upper() in set(Sequence):
            overrides[uid] = Sequence(name.upper())
        elif name.lower() == _NONE:
            overrides[uid] = None
        else:
            raise BadInput(f"{where}: unknown sequence '{name}': {nearest(name, choices)}")
    return overrides
