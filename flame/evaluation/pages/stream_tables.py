"""Tables of the page of ``flame stream``: methods, paired comparison and drift detectors."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from flame.evaluation.pages.sections import Cell, Section
from flame.streams.changes import detection
from flame.streams.config import StreamConfig
from flame.streams.detectors import label_free
from flame.streams.learners.learner import LEARNERS
from flame.streams.measures import Interval, area_lost, gap_closed, interval
from flame.streams.stream import Stream

OWN = "evidence-gossip"
"""Method that is compared with all others if the run has it."""
_Scored = tuple[Hashable, float]
"""Name and accuracy of a method."""
_PERCENT = ("accuracy", "without_changes", "balanced", "worst_node", "forgetting", "detected")
_TITLES = {
    "accuracy": "accuracy, %",
    "without_changes": "without changes, %",
    "balanced": "balanced accuracy, %",
    "kappa": "kappa",
    "auc": "AUC",
    "worst_node": "worst node, %",
    "recovery": "recovery, steps",
    "forgetting": "forgetting, %",
    "detected": "changes detected, %",
    "false_alarms": "false alarms per 100 steps",
    "consensus": "consensus distance",
    "bytes": "kB per node",
    "gradients": "gradients per node, thousands",
    "held": "remembered per node, kB",
}


def _cell(figure: Interval, scale: float = 1.0) -> Cell | str:
    if not np.isfinite(figure.value):
        return Cell("undefined", empty=True)
    value = scale * figure.value
    low = scale * figure.low
    high = scale * figure.high
    digits = 1 if abs(value) >= 1 or scale > 1 else 3
    between = f"{low:.{digits}f} to {high:.{digits}f}" if np.isfinite(low) else ""
    return Cell(f"{value:.{digits}f}", between)


def summary_section(figures: dict[str, dict[str, Interval]]) -> Section:
    """Build the table of all methods.

    Args:
        figures: mean and interval over seeds, by method and name of the measure.

    Returns:
        A section with one row for each method and one column for each measure.
    """
    scales = {**dict.fromkeys(_PERCENT, 100.0), "bytes": 1e-3, "gradients": 1e-3, "held": 1e-3}
    defined = [n for n in _TITLES if any(np.isfinite(f[n].value) for f in figures.values())]
    rows = [
        [method, *(_cell(each[name], scales.get(name, 1.0)) for name in defined)]
        for method, each in figures.items()
    ]
    note = (
        "Mean and 95 % interval over seeds; all steps and nodes have equal weight. Recovery: steps "
        "from a change until a node reaches 95 % of its accuracy before, or until the end of the "
        "run. Forgetting: loss of accuracy of a node from its last step with a concept to one step "
        "after the concept returns. Balanced accuracy, kappa and AUC are over all rows, and empty "
        "where a site tells no counts of small classes; always the most frequent class has "
        "1 / classes, 0 and 0.5. Gradients: how often the gradient of the "
        "loss of a row was computed. Changes detected and false alarms: for methods that raise "
        "alarms."
    )
    titles = [_TITLES[name] for name in defined]
    return Section("summary", "Methods", note, ["method", *titles], rows)


def comparison_section(config: StreamConfig, rows: pd.DataFrame) -> Section:
    """Build the table that compares the accuracy of one method with that of each other method.

    The method is evidence gossip if the run has it, else the first one.

    Args:
        config: configuration of the stream.
        rows: test-then-train results of all methods and seeds.

    Returns:
        A section with one row for each method: the accuracy of the one method minus its accuracy,
        paired by seed, and its area lost to the oracle.
    """
    methods = config.all_methods
    first = OWN if OWN in methods else next(iter(methods))
    oracles = [name for name, how in methods.items() if LEARNERS[how.learner].is_oracle]
    score = rows.groupby(["method", "seed"]).accuracy.mean().unstack(0)
    others = [name for name in methods if name != first]
    fair = [name for name in others if name not in oracles]
    best = score[fair].mean().idxmax() if fair else ""
    oracle = oracles[0] if oracles else ""
    table: list[list[str | Cell]] = []
    for method in others:
        cells: list[str | Cell] = [method, _cell(interval(score[first] - score[method]), 100)]
        if oracle:
            cells.append("" if method == oracle else _lost(rows, method, oracle))
        table.append(cells)
    note = (
        f"Difference: accuracy of {first} minus that of the method, in percentage points, paired "
        "by seed."
    )
    columns = ["method", "difference, percentage points"]
    if oracle:
        own = _lost(rows, first, oracle)
        note += (
            " Area lost: sum over steps of the accuracy of the oracle minus that of the method; "
            f"{first} loses {own.text if isinstance(own, Cell) else own}."
        )
        columns.append("area lost to the oracle, steps")
    if oracle and first not in oracles and best:
        note += gap_in_words(first, *(score[[first, best, oracle]].mean().items()))
    return Section(
        "compared",
        f"{first} compared with the other methods",
        note,
        columns,
        table,
    )


def _lost(rows: pd.DataFrame, method: str, oracle: str) -> Cell | str:
    """Return the area that a method loses to the oracle, over seeds."""
    areas = [
        area_lost(part, rows[(rows.method == oracle) & (rows.seed == seed)])
        for seed, part in rows[rows.method == method].groupby("seed")
    ]
    return _cell(interval(np.array(areas)))


def gap_in_words(name: str, own: _Scored, best: _Scored, oracle: _Scored) -> str:
    """Describe how much of the gap between the best other method and the oracle a method closes.

    Args:
        name: name of the method.
        own: name and accuracy of the method.
        best: name and accuracy of the best other method that does not use the true concepts.
        oracle: name and accuracy of the oracle, which uses the true concepts.

    Returns:
        Sentences that begin with a space.
    """
    accuracy = own[1]
    best_name, best_accuracy = best
    oracle_name, oracle_accuracy = oracle
    text = (
        f" Of the other methods that do not use the true concepts, {best_name} is best. "
        f"The method {oracle_name}, which uses them, "
    )
    if oracle_accuracy <= best_accuracy:
        return text + "is no better."
    gap = 100 * (oracle_accuracy - best_accuracy)
    text += f"is {gap:.1f} percentage points better. "
    if accuracy < best_accuracy:
        shortfall = 100 * (best_accuracy - accuracy)
        return text + f"{name} is {shortfall:.1f} percentage points below {best_name}."
    if accuracy > oracle_accuracy:
        more = 100 * (accuracy - oracle_accuracy)
        return text + f"{name} is {more:.1f} percentage points better than {oracle_name}."
    share = 100 * gap_closed(accuracy, best_accuracy, oracle_accuracy)
    return text + f"{name} closes {share:.0f} % of that gap."


def detection_sections(config: StreamConfig, stream: Stream, rows: pd.DataFrame) -> list[Section]:
    """Build the table of drift detectors on errors and on features.

    Args:
        config: configuration of the stream.
        stream: stream of the first seed.
        rows: test-then-train results of all methods and seeds.

    Returns:
        A list of one section; empty if the run has no detectors.
    """
    if not config.detectors:
        return []
    monitored = {f"errors of {m}": part for m, part in rows.groupby("method", sort=False)}
    monitored["features, no labels"] = label_free(stream, config.detectors)
    cells = []
    for source, part in monitored.items():
        for name in [n for n in config.detectors if f"alarm_{n}" in part]:
            detected, delay, false_alarms = detection(part, f"alarm_{name}")
            detection_cells = ["", ""]
            if rows.changed.any():
                median_delay = f"{delay:.0f}" if detected > 0 else "none detected"
                detection_cells = [f"{100 * detected:.0f} %", median_delay]
            cells.append([source, name, *detection_cells, f"{false_alarms:.1f}"])
    note = (
        "Detectors monitor the errors of each node, and its features without labels (first seed; "
        "each feature is monitored, and the first alarm counts). Detected: share of changes with "
        "an alarm during the change. Delay: median number of rows until that alarm. Calm steps are "
        "the steps of a node without a change, except the step after a change. Features cannot "
        "reveal a change that affects the labels only."
    )
    if not rows.changed.any():
        note += " This stream has no known changes, so an alarm may be true or false."
    columns = ["monitored", "detector", "detected", "delay, rows", "alarms per 100 calm steps"]
    return [Section("detectors", "Drift detectors", note, columns, cells, folded=True)]
