"""Drift detectors side by side at one and the same run length.

    python benchmarks/detectors.py

Each detector is set, between the calmest and the most nervous that it allows, on streams of its
own (seeds 100 on) so that it alarms about once in 5000 rows without drift; then it is tried on
others (seeds 0 on). Errors: 0 or 1, a tenth of them 1, rising to 0.2, 0.3 and 0.5 after 1000 rows.
Features, without labels: normal, the mean moving by 0.5, 1 and 2 deviations. Delay: median rows to
the first alarm after the change, where it was noticed within 2000 rows; restarted detectors do not
know the past.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from river import drift
from river.drift import binary

CALM, BEFORE, AFTER, TARGET = 20_000, 1000, 2000, 0.2
Made = Callable[[float], Any]
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
    """Rows at which it alarmed; river's detectors start again after one."""
    found = []
    for row, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected:
            found.append(row)
    return found


def errors(rng: np.random.Generator, rows: int, level: float) -> np.ndarray:
    """0 or 1; a calm ``level`` is 0.1."""
    return (rng.random(rows) < (level or 0.1)).astype(float)


def features(rng: np.random.Generator, rows: int, level: float) -> np.ndarray:
    """Normal around ``level``."""
    return rng.normal(level, 1, rows)


def rate(make: Made, value: float, draw: Callable[..., np.ndarray], seed: int) -> float:
    """False alarms in 1000 rows without drift."""
    return 1000 * len(alarms(make(value), draw(np.random.default_rng(seed), CALM, 0.0))) / CALM


def calibrated(make: Made, grid: tuple[float, float], draw: Callable[..., np.ndarray]) -> float:
    """The most sensitive setting that alarms no more often than the target, by bisection."""
    low, high = float(grid[0]), float(grid[-1])
    for _ in range(9):
        middle = float(np.sqrt(low * high))
        often = np.mean([rate(make, middle, draw, 100 + seed) for seed in range(4)]) > TARGET
        low, high = (low, middle) if often else (middle, high)
    return low


def delays(
    make: Made, value: float, draw: Callable[..., np.ndarray], level: float
) -> tuple[float, float]:
    """Median rows to the first alarm, and the share of 40 changes that were noticed."""
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        values = np.concatenate([draw(rng, BEFORE, 0.0), draw(rng, AFTER, level)])
        later = [row - BEFORE + 1 for row in alarms(make(value), values) if row >= BEFORE]
        found.append(later[0] if later else np.nan)
    known = np.isfinite(found)
    return (float(np.nanmedian(found)) if known.any() else np.nan), float(known.mean())


def table(
    title: str,
    detectors: dict[str, tuple[Made, tuple[float, float]]],
    draw: Callable[..., np.ndarray],
    levels: tuple[float, ...],
) -> None:
    """Print a row a detector."""
    print(
        f"\n{title}\n\n| detector | setting | false alarms in 1000 | "
        + " | ".join(f"delay to {level:g}" for level in levels)
        + " |"
    )
    print("|" + "---|" * (3 + len(levels)))
    for name, (make, grid) in detectors.items():
        value = calibrated(make, grid, draw)
        false = np.mean([rate(make, value, draw, 10 + seed) for seed in range(5)])
        cells = [
            f"{d:.0f} ({100 * s:.0f} %)"
            for d, s in (delays(make, value, draw, level) for level in levels)
        ]
        print(f"| {name} | {value:.2g} | {false:.2f} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    table("Errors", ERRORS, errors, (0.2, 0.3, 0.5))
    table("A feature", FEATURES, features, (0.5, 1.0, 2.0))
