"""Figures that summarise the test-then-train results of a method."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from flame.streams.changes import own_alarms

RECOVERED = 0.95
"""Share of its accuracy before a change at which a node counts as recovered."""
_SHARES = ("accuracy", "without_changes", "worst_node", "detected")


class Interval(NamedTuple):
    """A mean over seeds with its 95 % confidence interval (Student's t).

    Args:
        value: the mean.
        low: lower bound; NaN with one seed.
        high: upper bound; NaN with one seed.
    """

    value: float
    low: float
    high: float


def interval(values: "Sequence[float] | pd.Series[float] | np.ndarray") -> Interval:
    """Return the mean over seeds with its 95 % confidence interval: mean +- t s / sqrt(n).

    Args:
        values: a value for each seed. NaNs are left out; without any other value all is NaN.

    Example:
        t is 12.71 with one degree of freedom.

        >>> [round(float(x), 3) for x in interval([0.8, 0.9])]
        [0.85, 0.215, 1.485]
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    if len(known) == 1:
        return Interval(float(known[0]), float("nan"), float("nan"))
    half = student.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return Interval(known.mean(), known.mean() - half, known.mean() + half)


def summary(run: pd.DataFrame) -> dict[str, float]:
    """Return the figures of one method and seed.

    Args:
        run: the table that ``prequential`` returns.

    Returns:
        By name, each NaN where it is undefined:

        - ``accuracy``: mean over steps and nodes.
        - ``without_changes``: the same without the steps of a change.
        - ``worst_node``: lowest mean accuracy of a node.
        - ``recovery``: mean steps from the beginning of a change until a node is back at 95 % of
          its accuracy before; a node that never is counts the steps to the end of the run.
        - ``forgetting``: mean loss of accuracy of a node from the last step with a concept to the
          step after the concept came back.
        - ``detected``: share of changes at which the learner raised an alarm.
        - ``false_alarms``: alarms of the learner in 100 calm steps of a node.
        - ``bytes``: bytes that a node sent, mean over nodes.
        - ``consensus``: mean distance of the nodes' models from their mean.

    Example:
        >>> run = pd.DataFrame(
        ...     {
        ...         "node": "a",
        ...         "accuracy": [0.9, 0.5, 0.7, 0.9],
        ...         "changed": [False, True, False, False],
        ...         "concept": [0, 1, 1, 1],
        ...         "alarm": [False, True, False, False],
        ...         "bytes": 10.0,
        ...         "consensus": 0.0,
        ...     }
        ... )
        >>> figures = summary(run)
        >>> {name: round(float(figures[name]), 2) for name in ("accuracy", "recovery", "detected")}
        {'accuracy': 0.75, 'recovery': 2.0, 'detected': 1.0}
    """
    nodes, (noticed, false) = run.groupby("node").accuracy.mean(), own_alarms(run)
    return {
        "accuracy": run.accuracy.mean(),
        "without_changes": run[~run.changed & (run.concept >= 0)].accuracy.mean(),
        "worst_node": nodes.min(),
        "recovery": _mean(
            [steps for _, part in run.groupby("node") for steps in _recoveries(part)]
        ),
        "forgetting": _mean([lost for _, part in run.groupby("node") for lost in _forgotten(part)]),
        "detected": noticed,
        "false_alarms": false,
        "bytes": run.groupby("node").bytes.sum().mean(),
        "consensus": run.consensus.mean(),
    }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _recoveries(part: pd.DataFrame) -> list[float]:
    accuracy, changed, found = part.accuracy.to_numpy(), part.changed.to_numpy(), []
    for at in np.flatnonzero(changed & ~np.roll(changed, 1)):
        if at == 0:
            continue
        back = np.flatnonzero(accuracy[at:] >= RECOVERED * accuracy[at - 1])
        found.append(float(back[0]) if len(back) else float(len(accuracy) - at))
    return found


def _forgotten(part: pd.DataFrame) -> list[float]:
    """Accuracy at the last step with a concept, less that one step after the concept came back."""
    concept, accuracy = part.concept.to_numpy(), part.accuracy.to_numpy()
    found, last = [], dict[int, float]()
    for at in range(1, len(concept)):
        if concept[at] != concept[at - 1]:
            last[concept[at - 1]] = accuracy[at - 1]
            if concept[at] in last and list(concept[at : at + 2]) == [concept[at]] * 2:
                found.append(last[concept[at]] - accuracy[at + 1])
    return found


def possible(name: str, found: Interval, steps: int) -> Interval:
    """Return the interval of a figure, with its bounds cut to values that the figure can take.

    Args:
        name: name of a figure of ``summary``.
        found: its mean and interval.
        steps: number of steps of the run, the largest ``recovery``.

    Example:
        >>> bounds = possible("accuracy", Interval(0.9, 0.7, 1.1), steps=10)
        >>> (bounds.low, bounds.high)
        (0.7, 1.0)
    """
    least = -1.0 if name == "forgetting" else 0.0
    most = {"false_alarms": 100.0, "recovery": float(steps)}.get(name, np.inf)
    most = 1.0 if name in (*_SHARES, "forgetting") else most
    return Interval(found.value, *(float(x) for x in np.clip(found[1:], least, most)))


def area_lost(run: pd.DataFrame, oracle: pd.DataFrame) -> float:
    """Return the sum over steps of the oracle's mean accuracy less that of a method.

    Args:
        run: the table that ``prequential`` returns for the method.
        oracle: the same for the oracle.
    """
    lost = oracle.groupby("step").accuracy.mean() - run.groupby("step").accuracy.mean()
    return float(lost.sum())


def gap_closed(method: float, baseline: float, oracle: float) -> float:
    """Return the share of the gap to the oracle that a method closes.

    It is (method - baseline) / (oracle - baseline), or NaN where the oracle is not better.

    Args:
        method: figure of the method.
        baseline: figure of the baseline.
        oracle: figure of the oracle.

    Example:
        >>> gap_closed(0.75, baseline=0.5, oracle=1.0)
        0.5
    """
    gap = oracle - baseline
    return (method - baseline) / gap if gap > 0 else float("nan")
