"""The history of a run, a row a round and site: from checkpoints, or as the server told it."""

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
    """All that is known so far, the oldest training first: of a running federation, too."""
    rows: Rows = []
    for path in sorted((run / MODELS).glob("[!.]*.npz"), key=lambda p: p.stat().st_mtime):
        checkpoint = load_checkpoint(path)
        rows += checkpoint.history if checkpoint else []
    return _together([pd.DataFrame(rows), _written(run)])


def add_history(run: Path, rows: Rows) -> None:
    """Add what is new of ``rows`` to history.csv."""
    _write(run, _together([_written(run), pd.DataFrame(rows)]))


def write_history(run: Path) -> pd.DataFrame:
    """Write all that is known to history.csv."""
    found = read_history(run)
    _write(run, found)
    return found


def in_a_line(rows: Rows) -> str:
    """The latest round of ``rows``; empty without any."""
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
    # A centre may be called 01 or NA.
    numbers = {name: [""] for name in _COLUMNS if name not in _TEXTS}
    return pd.read_csv(path, dtype=_TEXTS, keep_default_na=False, na_values=numbers)


def _write(run: Path, found: pd.DataFrame) -> None:
    write_text(run / HISTORY, found.to_csv(index=False))
