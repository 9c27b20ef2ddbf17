"""What a table of test-then-train results says about a method."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

RECOVERED = 0.95
"""Of the accuracy before a change."""


class Interval(NamedTuple):
    """A mean over seeds with its 95 % interval (Student's t); NaN bounds of one seed alone."""

    value: float
    low: float
    high: float


def interval(values: "Sequence[float] | pd.Series[float] | np.ndarray") -> Interval:
    """Of values a seed; NaNs are left out, and are all that is told where nothing else is."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    if len(known) == 1:
        return Interval(float(known[0]), float("nan"), float("nan"))
    half = student.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return Interval(known.mean(), known.mean() - half, known.mean() + half)


def summary(run: pd.DataFrame) -> dict[str, float]:
    """Figures of one method and seed, from the rows of ``prequential``.

    Accuracy over all steps, without the steps where a node's concept had just changed, and of the
    worst node; ``recovery`` steps after a change until a node is back at 95 % of before (the run's
    end counts as recovered where it never is); ``forgetting``, how much worse a node does when a
    concept comes back than when it was last there; detection of changes by the learner itself.
    """
    nodes = run.groupby("node").accuracy.mean()
    return {
        "accuracy": run.accuracy.mean(),
        "without_changes": run[~run.changed].accuracy.mean(),
        "worst_node": nodes.min(),
        "recovery": _mean(
            [steps for _, part in run.groupby("node") for steps in _recoveries(part)]
        ),
        "forgetting": _mean([lost for _, part in run.groupby("node") for lost in _forgotten(part)]),
        "detected": _detected(run),
        "false_alarms": _false_alarms(run),
        "bytes": run.groupby("node").bytes.sum().mean(),
        "consensus": run.consensus.mean(),
    }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _recoveries(part: pd.DataFrame) -> list[float]:
    accuracy, found = part.accuracy.to_numpy(), []
    for at in np.flatnonzero(part.changed.to_numpy()):
        if at == 0:
            continue
        back = np.flatnonzero(accuracy[at:] >= RECOVERED * accuracy[at - 1])
        found.append(float(back[0]) if len(back) else float(len(accuracy) - at))
    return found


def _forgotten(part: pd.DataFrame) -> list[float]:
    """A node's accuracy when it last had a concept, less that one step after it came back."""
    concept, accuracy = part.concept.to_numpy(), part.accuracy.to_numpy()
    found, last = [], dict[int, float]()
    for at in range(1, len(concept)):
        if concept[at] != concept[at - 1]:
            last[concept[at - 1]] = accuracy[at - 1]
            if concept[at] in last:
                found.append(last[concept[at]] - accuracy[at])
    return found


def _detected(run: pd.DataFrame) -> float:
    """Share of changes that the learner noticed in the step they came."""
    changed = run[run.changed]
    if changed.empty or run.alarm.isna().all():
        return float("nan")
    return float(changed.alarm.astype(float).mean())


def _false_alarms(run: pd.DataFrame) -> float:
    """Alarms a node and 100 steps where nothing had changed."""
    calm = run[~run.changed & (run.concept >= 0)]
    if calm.empty or run.alarm.isna().all():
        return float("nan")
    return float(100 * calm.alarm.astype(float).mean())


def area_lost(run: pd.DataFrame, oracle: pd.DataFrame) -> float:
    """Sum over steps of the oracle's mean accuracy less the method's: steps' worth of accuracy."""
    lost = oracle.groupby("step").accuracy.mean() - run.groupby("step").accuracy.mean()
    return float(lost.sum())


def gap_closed(method: float, baseline: float, oracle: float) -> float:
    """(method - baseline) / (oracle - baseline); NaN where there is no gap."""
    gap = oracle - baseline
    return (method - baseline) / gap if gap > 0 else float("nan")


def detection(rows: pd.DataFrame, column: str) -> tuple[float, float, float]:
    """Share of changes noticed within their step, median rows until then, false alarms in 1000.

    ``column`` holds the row of an alarm in a step; steps right after a change count for neither.
    """
    changed, calm = rows[rows.changed], rows[~rows.changed]
    noticed = changed[column].notna().mean() if len(changed) else float("nan")
    total = calm.rows.sum()
    false = 1000 * calm[column].notna().sum() / total if total else float("nan")
    delay = changed[column].dropna()
    return float(noticed), float(delay.median()) if len(delay) else float("nan"), float(false)
