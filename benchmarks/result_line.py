"""Code that all benchmarks share: the option --quick, and the figures as a last line of JSON.

The line is ``{"benchmark": name, "quick": true or false, "seconds": wall time, "figures": {...}}``,
where figures maps flat names to numbers, or to null for a figure that was not measured.
"""

import argparse
import json
import math
import time
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()
"""Time at which the script imported this module; seconds are counted from here."""


def add_quick(parser: argparse.ArgumentParser, does: str) -> None:
    """Add ``--quick``; ``does`` is its help, which describes the smaller benchmark."""
    parser.add_argument("--quick", action="store_true", help=does)


def flat(figures: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings.

    Args:
        figures: figures, or mappings of them, by name.
        prefix: text before each name.

    Returns:
        Figures by name; the names of nested mappings are joined by commas.

    Example:
        >>> flat({"rigid": {"mm": 0.3, "failures": 0}})
        {'rigid, mm': 0.3, 'rigid, failures': 0}
    """
    flattened: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            flattened |= flat(value, f"{prefix}{name}, ")
        else:
            flattened[f"{prefix}{name}"] = value
    return flattened


def print_result_line(script: str, quick: bool, figures: Mapping[str, Any]) -> None:
    """Print the last line; ``script`` is the benchmark's ``__file__``."""
    line = {
        "benchmark": Path(script).stem,
        "quick": quick,
        "seconds": round(time.perf_counter() - STARTED, 2),
        "figures": {name: _number(value) for name, value in flat(figures).items()},
    }
    print(json.dumps(line, allow_nan=False), flush=True)


def _number(value: Any) -> int | float | None:
    """Return a number that JSON has; None for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, Integral) else float(value)
