"""Comparison of drift detectors at the same rate of false alarms.

    python benchmarks/detectors.py [--quick]

Streams without drift (seeds from 100) calibrate the setting of each detector, within the range that
it allows, to about one alarm in 5000 rows. Other streams (seeds from 0) test it. Errors: 0 or 1, a
tenth of them 1, rising to 0.2, 0.3 and 0.5 after 1000 rows. Features, without labels: normal, with
a mean that moves by 0.5, 1 and 2 standard deviations. Delay: median rows to the first alarm after
the change, over the changes detected within 2000 rows. A detector restarts after an alarm and then
has no memory of earlier rows.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from result_line import add_quick, print_result_line
from river import drift
from river.drift import binary

BEFORE = 1000
"""Rows before the change."""
AFTER = 2000
"""Rows from the change on."""
TARGET = 0.2
"""False alarms in 1000 rows to which settings are calibrated: one in 5000."""


@dataclass(frozen=True)
class Size:
    """Size of the benchmark.

    Args:
        calm: rows of a stream without drift.
        halvings: bisections of a setting.
        tuning: streams that calibrate a setting.
        false: streams that measure false alarms.
        changes: streams that measure delays.
    """

    calm: int
    halvings: int
    tuning: int
    false: int
    changes: int


WHOLE = Size(20_000, 9, 4, 5, 40)
QUICK = Size(4_000, 5, 1, 1, 3)
Made = Callable[[float], Any]
"""Makes a detector of a setting."""
ERRORS: dict[str, tuple[Made, tuple[float, float]]] = {
    "ADWIN": (lambda v: drift.ADWIN(delta=v), (1e-5, 0.99)),
    "Page-Hinkley": (lambda v: drift.PageHinkley(threshold=v), (200, 1)),
    "DDM": (lambda v: binary.DDM(drift_threshold=v), (8, 1)),
    "EDDM": (lambda v: binary.EDDM(beta=v), (0.3, 0.99)),
    "HDDM_A": (lambda v: binary.HDDMA(drift_confidence=v), (1e-6, 0.5)),
    "HDDM_W": (lambda v: binary.HDDMW(drift_confidence=v), (1e-9, 0.2)),
}
FEATURES: dict[str, tuple[Made, tuple[float, float]]] = {
    "ADWIN": ERRORS["ADWIN"],
    "Page-Hinkley": (lambda v: drift.PageHinkley(threshold=v, mode="both"), (500, 5)),
    "KSWIN": (lambda v: drift.KSWIN(alpha=v, seed=0), (1e-12, 0.1)),
}


def alarms(detector: Any, values: np.ndarray) -> list[int]:
    """Return the rows at which a detector alarms; river's detectors restart after an alarm."""
    rows = []
    for row, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected:
            rows.append(row)
    return rows


def errors(rng: np.random.Generator, rows: int, level: float) -> np.ndarray:
    """Draw errors of 0 or 1 with the rate ``level``; 0 stands for the calm rate of 0.1."""
    return (rng.random(rows) < (level or 0.1)).astype(float)


def features(rng: np.random.Generator, rows: int, level: float) -> np.ndarray:
    """Draw normal values of mean ``level``."""
    return rng.normal(level, 1, rows)


def rate(make: Made, value: float, draw: Callable[..., np.ndarray], seed: int, calm: int) -> float:
    """Return the false alarms in 1000 rows without drift."""
    return 1000 * len(alarms(make(value), draw(np.random.default_rng(seed), calm, 0.0))) / calm


def calibrated(
    make: Made, grid: tuple[float, float], draw: Callable[..., np.ndarray], size: Size
) -> float:
    """Return the most sensitive setting that alarms no more often than TARGET, by bisection."""
    low = float(grid[0])
    high = float(grid[-1])
    for _ in range(size.halvings):
        middle = float(np.sqrt(low * high))
        rates = [rate(make, middle, draw, 100 + seed, size.calm) for seed in range(size.tuning)]
        if np.mean(rates) > TARGET:
            high = middle
        else:
            low = middle
    return low


def delays(
    make: Made, value: float, draw: Callable[..., np.ndarray], level: float, changes: int
) -> tuple[float, float]:
    """Return the median rows to the first alarm, and the share of changes detected."""
    rows = []
    for seed in range(changes):
        rng = np.random.default_rng(seed)
        values = np.concatenate([draw(rng, BEFORE, 0.0), draw(rng, AFTER, level)])
        later = [row - BEFORE + 1 for row in alarms(make(value), values) if row >= BEFORE]
        rows.append(later[0] if later else np.nan)
    known = np.isfinite(rows)
    return (float(np.nanmedian(rows)) if known.any() else np.nan), float(known.mean())


def table(
    title: str,
    detectors: dict[str, tuple[Made, tuple[float, float]]],
    draw: Callable[..., np.ndarray],
    levels: tuple[float, ...],
    size: Size,
) -> dict[str, float]:
    """Print one row per detector; return the figures by name."""
    print(
        f"\n{title}\n\n| detector | setting | false alarms in 1000 | "
        + " | ".join(f"delay to {level:g}" for level in levels)
        + " |"
    )
    print("|" + "---|" * (3 + len(levels)))
    figures: dict[str, float] = {}
    for name, (make, grid) in detectors.items():
        value = calibrated(make, grid, draw, size)
        false = np.mean(
            [rate(make, value, draw, 10 + seed, size.calm) for seed in range(size.false)]
        )
        by_level = {level: delays(make, value, draw, level, size.changes) for level in levels}
        cells = [f"{d:.0f} ({100 * s:.0f} %)" for d, s in by_level.values()]
        which = f"{title}, {name}"
        figures[f"{which}, false alarms in 1000"] = float(false)
        for level, (delay, detected) in by_level.items():
            figures[f"{which}, delay to {level:g}"] = delay
            figures[f"{which}, share noticed of {level:g}"] = detected
        print(f"| {name} | {value:.2g} | {false:.2f} | " + " | ".join(cells) + " |", flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_quick(parser, "shorter and fewer streams, and settings less finely tuned")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else WHOLE
    figures = table("Errors", ERRORS, errors, (0.2, 0.3, 0.5), size)
    figures |= table("A feature", FEATURES, features, (0.5, 1.0, 2.0), size)
    print_result_line(__file__, arguments.quick, figures)


if __name__ == "__main__":
    main()
