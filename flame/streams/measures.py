"""Figures that summarise the test-then-train results of a method."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

from flame.streams.changes import own_alarms
from flame.streams.classified import rare_measures

RECOVERED = 0.95
"""Share of its accuracy before a change at which a node counts as recovered."""
_SHARES = ("accuracy", "without_changes", "worst_node", "detected", "balanced", "auc")
"""Figures of ``summary`` that are shares, from 0 to 1."""


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
    """Compute the mean over seeds with its 95 % confidence interval: mean +- t s / sqrt(n).

    Args:
        values: a value for each seed. NaNs are left out.

    Returns:
        The mean and its bounds. The bounds are NaN with one value; all are NaN without a value.

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
    half_width = student.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return Interval(known.mean(), known.mean() - half_width, known.mean() + half_width)


def summary(run: pd.DataFrame) -> dict[str, float]:
    """Compute the figures of one method and seed.

    Args:
        run: the table that ``prequential`` returns.

    Returns:
        By name, each NaN where it is undefined:

        - ``accuracy``: mean over steps and nodes.
        - ``without_changes``: the same without the steps of a change.
        - ``worst_node``: lowest mean accuracy of a node.
        - ``recovery``: mean number of steps from the beginning of a change until a node is back at
          95 % of its accuracy before. For a node that never is, the steps to the end of the run
          count.
        - ``forgetting``: mean loss of accuracy of a node from the last step with a concept to the
          step after the concept came back.
        - ``detected``: share of changes at which the learner raised an alarm.
        - ``false_alarms``: alarms of the learner per 100 calm steps of a node.
        - ``balanced``, ``kappa`` and ``auc``: see ``classified.rare_measures``.
        - ``bytes``: bytes that a node sent, mean over nodes.
        - ``gradients``: gradients of rows that a node computed, mean over nodes.
        - ``held``: largest number of bytes that a learner remembered for a node.
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
    known = run.reindex(columns=["node", "gradients", "held"])  # older runs lack the last two
    by_node = run.groupby("node").accuracy.mean()
    detected, false_alarms = own_alarms(run)
    parts = [part for _, part in run.groupby("node")]
    return {
        "accuracy": run.accuracy.mean(),
        "without_changes": run[~run.changed & (run.concept >= 0)].accuracy.mean(),
        "worst_node": by_node.min(),
        "recovery": _mean([steps for part in parts for steps in _recoveries(part)]),
        "forgetting": _mean([loss for part in parts for loss in _losses_on_return(part)]),
        "detected": detected,
        "false_alarms": false_alarms,
        **rare_measures(run),
        "bytes": run.groupby("node").bytes.sum().mean(),
        "gradients": known.groupby("node").gradients.sum(min_count=1).mean(),
        "held": known.held.max(),
        "consensus": run.consensus.mean(),
    }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _recoveries(part: pd.DataFrame) -> list[float]:
    """Return the steps that a node took to recover from each of its changes."""
    accuracy = part.accuracy.to_numpy()
    changed = part.changed.to_numpy()
    steps = []
    for at in np.flatnonzero(changed & ~np.roll(changed, 1)):
        if at == 0:
            continue
        recovered = np.flatnonzero(accuracy[at:] >= RECOVERED * accuracy[at - 1])
        steps.append(float(recovered[0]) if len(recovered) else float(len(accuracy) - at))
    return steps


def _losses_on_return(part: pd.DataFrame) -> list[float]:
    """Return accuracy at the last step with a concept less that one step after its return."""
    concept = part.concept.to_numpy()
    accuracy = part.accuracy.to_numpy()
    losses = []
    last_accuracy: dict[int, float] = {}
    for at in range(1, len(concept)):
        if concept[at] != concept[at - 1]:
            last_accuracy[concept[at - 1]] = accuracy[at - 1]
            if concept[at] in last_accuracy and list(concept[at : at + 2]) == [concept[at]] * 2:
                losses.append(last_accuracy[concept[at]] - accuracy[at + 1])
    return losses


def possible(name: str, figure: Interval, steps: int) -> Interval:
    """Cut the bounds of a figure's interval to values that the figure can take.

    Args:
        name: name of a figure of ``summary``.
        figure: its mean and interval.
        steps: number of steps of the run, the largest ``recovery``.

    Returns:
        The same mean, with bounds from -1 to 1 for ``forgetting`` and ``kappa``, from 0 to 1 for
        shares, from 0 to 100 for ``false_alarms``, from 0 to ``steps`` for ``recovery``, and from 0
        for others.

    Example:
        >>> bounds = possible("accuracy", Interval(0.9, 0.7, 1.1), steps=10)
        >>> (bounds.low, bounds.high)
        (0.7, 1.0)
    """
    lowest = -1.0 if name in ("forgetting", "kappa") else 0.0
    highest = {"false_alarms": 100.0, "recovery": float(steps)}.get(name, np.inf)
    highest = 1.0 if name in (*_SHARES, "forgetting", "kappa") else highest
    return Interval(figure.value, *(float(x) for x in np.clip(figure[1:], lowest, highest)))


def area_lost(run: pd.DataFrame, oracle: pd.DataFrame) -> float:
    """Sum over steps the oracle's mean accuracy less that of a method.

    Args:
        run: the table that ``prequential`` returns for the method.
        oracle: the same for the oracle.

    Returns:
        The area between both curves, in steps; negative where the method is better.
    """
    lost = oracle.groupby("step").accuracy.mean() - run.groupby("step").accuracy.mean()
    return float(lost.sum())


def gap_closed(method: float, baseline: float, oracle: float) -> float:
    """Compute the share of the gap between baseline and oracle that a method closes.

    Args:
        method: figure of the method.
        baseline: figure of the baseline.
        oracle: figure of the oracle.

    Returns:
        (method - baseline) / (oracle - baseline), or NaN where the oracle is not better.

    Example:
        >>> gap_closed(0.75, baseline=0.5, oracle=1.0)
        0.5
    """
    gap = oracle - baseline
    return (method - baseline) / gap if gap > 0 else float("nan")
