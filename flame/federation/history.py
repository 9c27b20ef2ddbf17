"""The training history of a run: one row per round and site, from checkpoints and history.csv."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from flame.core.files import write_text
from flame.federation.checkpoint import load_checkpoint
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
_KEY = ["training", "round", "site"]
Rows = list[dict[str, Any]]


def read_history(run: Path) -> pd.DataFrame:
    """Read the history of a run, finished or still running.

    Args:
        run: the run folder.

    Returns:
        A table with the columns ``training``, ``round``, ``round_seconds``, ``site``, ``patients``,
        ``loss``, ``seconds``, ``lost`` (why a site has no update) and ``validation``; times are in
        seconds. Checkpoints come first, the least recently written first.
    """
    rows: Rows = []
    for path in sorted((run / MODELS).glob("[!.]*.npz"), key=lambda p: p.stat().st_mtime):
        checkpoint = load_checkpoint(path)
        rows += checkpoint.history if checkpoint else []
    return _together([pd.DataFrame(rows), _written(run)])


def add_history(run: Path, rows: Rows) -> None:
    """Append to history.csv those rows that it does not hold yet.

    Args:
        run: the run folder.
        rows: rows of the history, one per round and site.
    """
    _write(run, _together([_written(run), pd.DataFrame(rows)]))


def write_history(run: Path) -> pd.DataFrame:
    """Write the whole history of a run to history.csv.

    Args:
        run: the run folder.

    Returns:
        The table of ``read_history``.
    """
    found = read_history(run)
    _write(run, found)
    return found


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
    last = rows[-1]["training"], rows[-1]["round"]
    latest = [r for r in rows if (r["training"], r["round"]) == last]
    each = [f"{r['site']} {r['lost'] or _loss(r)}" for r in latest]
    return f"{last[0]}, round {last[1]}: loss {', '.join(each)}"


def _loss(row: dict[str, Any]) -> str:
    return "untold" if row["loss"] is None else f"{row['loss']:.3f}"


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [p for p in parts if len(p)] or [pd.DataFrame(columns=list(_COLUMNS))]
    found = pd.concat(filled, ignore_index=True).drop_duplicates(_KEY, ignore_index=True)
    return found[[c for c in _COLUMNS if c in found]]


def _written(run: Path) -> pd.DataFrame:
    path = run / HISTORY
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        return pd.DataFrame()
    # Names of centres stay text: a centre may be called 01 or NA.
    numbers = {name: [""] for name in _COLUMNS if name not in _TEXTS}
    return pd.read_csv(path, dtype=_TEXTS, keep_default_na=False, na_values=numbers)


def _write(run: Path, found: pd.DataFrame) -> None:
    write_text(run / HISTORY, found.to_csv(index=False))
