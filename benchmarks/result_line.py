"""What every benchmark shares: the option --quick, and its figures as a last line of JSON.

The line is ``{"benchmark": name, "quick": true or false, "seconds": wall time, "figures": {...}}``,
where figures maps flat names to numbers, or to null where there is none to give.
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
"""When the script imported this module; seconds are counted from here."""


def add_quick(parser: argparse.ArgumentParser, does: str) -> None:
    """Add ``--quick``; ``does`` is its help, which says what is smaller then."""
    parser.add_argument("--quick", action="store_true", help=does)


def flat(figures: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, their names joined by commas.

    Example:
        >>> flat({"rigid": {"mm": 0.3, "failures": 0}})
        {'rigid, mm': 0.3, 'rigid, failures': 0}
    """
    found: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}, ")
        else:
            found[f"{prefix}{name}"] = value
    return found


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
    """A number that JSON has; None for None, NaN and what is infinite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, Integral) else float(value)
