"""The training history of a run: one row per round and site, from checkpoints and history.csv."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from flame.core.files import write_text
from flame.federation.checkpoint import load_history
from flame.federation.run_files import HISTORY, MODELS

_COLUMNS = (
    "training",
    "round",
    "round_seconds",
    "site",
    "patients",
    "loss",
    "seconds",
    "lost",
    "validation",
)
_TEXTS: dict[Hashable, type[str]] = {"training": str, "site": str, "lost": str}
"""Columns that stay text: a centre may be called 01 or NA."""
_KEY = ["training", "round", "site"]
"""Columns that identify a row."""
Rows = list[dict[str, Any]]


def read_history(run: Path) -> pd.DataFrame:
    """Read the history of a run, finished or still running.

    Args:
        run: the run folder.

    Returns:
        A table with the columns ``training``, ``round``, ``round_seconds``, ``site``, ``patients``,
        ``loss``, ``seconds``, ``lost`` (why a site has no update) and ``validation``; times are in
        s. Rows of checkpoints come first, the least recently written checkpoint first, then those
        that only history.csv has.
    """
    rows: Rows = []
    for path in sorted((run / MODELS).glob("[!.]*.npz"), key=lambda p: p.stat().st_mtime):
        rows += load_history(path)
    return _without_repeats([pd.DataFrame(rows), _written(run)])


def add_history(run: Path, rows: Rows) -> None:
    """Append to history.csv those rows that it does not hold yet.

    Args:
        run: the run folder.
        rows: rows of the history, one per round and site.
    """
    _write(run, _without_repeats([_written(run), pd.DataFrame(rows)]))


def write_history(run: Path) -> pd.DataFrame:
    """Write the whole history of a run to history.csv.

    Args:
        run: the run folder.

    Returns:
        The table of ``read_history``.
    """
    history = read_history(run)
    _write(run, history)
    return history


def in_a_line(rows: Rows) -> str:
    """Summarise the latest round in one line.

    Args:
        rows: rows of the history in order; those of the last row's round are used.

    Returns:
        Training, round, and the loss of each site or why it has no update; empty without rows.

    Example:
        >>> row = {"training": "federated", "round": 2, "site": "UCSF", "loss": 0.5, "lost": ""}
        >>> in_a_line([row])
        'federated, round 2: loss UCSF 0.500'
    """
    if not rows:
        return ""
    training = rows[-1]["training"]
    number = rows[-1]["round"]
    latest = [row for row in rows if (row["training"], row["round"]) == (training, number)]
    sites = [f"{row['site']} {row['lost'] or _loss(row)}" for row in latest]
    return f"{training}, round {number}: loss {', '.join(sites)}"


def _loss(row: dict[str, Any]) -> str:
    return "not sent" if row["loss"] is None else f"{row['loss']:.3f}"


def _without_repeats(parts: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)] or [pd.DataFrame(columns=list(_COLUMNS))]
    history = pd.concat(filled, ignore_index=True).drop_duplicates(_KEY, ignore_index=True)
    return history[[column for column in _COLUMNS if column in history]]


def _written(run: Path) -> pd.DataFrame:
    path = run / HISTORY
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        return pd.DataFrame()
    numbers = {name: [""] for name in _COLUMNS if name not in _TEXTS}
    return pd.read_csv(path, dtype=_TEXTS, keep_default_na=False, na_values=numbers)


def _write(run: Path, history: pd.DataFrame) -> None:
    write_text(run / HISTORY, history.to_csv(index=False))
