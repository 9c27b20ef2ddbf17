"""Tables of the page of ``flame stream``: methods, paired comparison and detectors."""

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
"""Method that is compared with all others where the run has it."""
_Scored = tuple[Hashable, float]
_PERCENT = ("accuracy", "without_changes", "worst_node", "forgetting", "detected")
_TITLES = {
    "accuracy": "accuracy, %",
    "without_changes": "without changes, %",
    "worst_node": "worst node, %",
    "recovery": "recovery, steps",
    "forgetting": "forgetting, %",
    "detected": "changes noticed, %",
    "false_alarms": "false alarms in 100 steps",
    "consensus": "consensus distance",
    "bytes": "kB a node",
}


def _cell(figure: Interval, scale: float = 1.0) -> Cell | str:
    if not np.isfinite(figure.value):
        return Cell("none to measure", empty=True)
    value, low, high = (scale * part for part in figure)
    digits = 1 if abs(value) >= 1 or scale > 1 else 3
    between = f"{low:.{digits}f} to {high:.{digits}f}" if np.isfinite(low) else ""
    return Cell(f"{value:.{digits}f}", between)


def summary_section(figures: dict[str, dict[str, Interval]]) -> Section:
    """Return the table with the figures of every method.

    Args:
        figures: mean and interval over seeds, by method and name.
    """
    scales = {**dict.fromkeys(_PERCENT, 100.0), "bytes": 1e-3}
    rows = [
        [method, *(_cell(each[name], scales.get(name, 1.0)) for name in _TITLES)]
        for method, each in figures.items()
    ]
    note = (
        "Mean and 95 % interval over seeds. Every step of every node counts "
        "alike. Recovery: steps from a change on until a node is at 95 % of before, or to the "
        "end. Forgetting: how much worse a node does a step after a concept came back than when "
        "it last had it. Changes noticed and false alarms: of methods that look for them."
    )
    return Section("summary", "Methods", note, ["method", *_TITLES.values()], rows)


def comparison_section(config: StreamConfig, rows: pd.DataFrame) -> Section:
    """Return the table with the accuracy of one method minus that of each other, paired by seed.

    The method is evidence gossip where the run has it, else the first one.

    Args:
        config: configuration of the stream.
        rows: test-then-train results of all methods and seeds.
    """
    methods = config.all_methods
    first = OWN if OWN in methods else next(iter(methods))
    told = [m for m, how in methods.items() if LEARNERS[how.learner].is_told]
    score = rows.groupby(["method", "seed"]).accuracy.mean().unstack(0)
    others = [m for m in methods if m != first]
    fair = [m for m in others if m not in told]
    best = score[fair].mean().idxmax() if fair else ""
    oracle = told[0] if told else ""
    found = []
    for other in [first, *others]:
        less = interval(score[first] - score[other])
        cells: list[str | Cell] = [other, "" if other == first else _cell(less, 100)]
        lost: str | Cell = ""
        if oracle and other != oracle:
            parts = [
                area_lost(part, rows[(rows.method == oracle) & (rows.seed == seed)])
                for seed, part in rows[rows.method == other].groupby("seed")
            ]
            lost = _cell(interval(np.array(parts)))
        found.append([*cells, lost])
    note = f"What {first} has more in accuracy, in points, paired by seed."
    if oracle and first not in told and best:
        note += gap_in_words(first, *(score[[first, best, oracle]].mean().items()))
    title = f"{first} against the others"
    return Section(
        "compared",
        title,
        note,
        ["method", f"{first} less this, points", "area lost to the oracle, steps"],
        found,
    )


def gap_in_words(name: str, own: _Scored, best: _Scored, oracle: _Scored) -> str:
    """Describe how much of the gap between the best other method and the oracle a method closes.

    Args:
        name: name of the method.
        own: name and accuracy of the method.
        best: name and accuracy of the best other method that does not use the true concepts.
        oracle: name and accuracy of the oracle, which uses the true concepts.

    Returns:
        One or two sentences.
    """
    (_, mine), (other, theirs), (told, most) = own, best, oracle
    text = f" The best method that is not told the concepts is {other}; {told}, which is, "
    if most <= theirs:
        return text + "is no better."
    text += f"has {100 * (most - theirs):.1f} points more. "
    if mine < theirs:
        return text + f"{name} is {100 * (theirs - mine):.1f} points below {other}."
    return text + f"{name} closes {100 * gap_closed(mine, theirs, most):.0f} % of that gap."


def detection_sections(config: StreamConfig, stream: Stream, rows: pd.DataFrame) -> list[Section]:
    """Return the table of drift detectors on errors and on features; empty without detectors.

    Args:
        config: configuration of the stream.
        stream: stream of the first seed.
        rows: test-then-train results of all methods and seeds.
    """
    if not config.detectors:
        return []
    watched = {f"errors of {m}": part for m, part in rows.groupby("method", sort=False)}
    watched["features, no labels"] = label_free(stream, config.detectors)
    cells = []
    for what, part in watched.items():
        for name in [n for n in config.detectors if f"alarm_{n}" in part]:
            noticed, delay, false = detection(part, f"alarm_{name}")
            waited = f"{delay:.0f}" if noticed > 0 else "none noticed"
            told = [f"{100 * noticed:.0f} %", waited] if rows.changed.any() else ["", ""]
            cells.append([what, name, *told, f"{false:.1f}"])
    note = (
        "Detectors on each node's errors, and on its features without labels (of the first seed; "
        "each feature is watched, and the first alarm counts): changes noticed at their steps, "
        "the median rows until then, and the share of other steps of a node with an alarm, but for "
        "the one right after a change. Features cannot show a concept that changes labels alone."
    )
    if not rows.changed.any():
        note += " Nobody knows of a change here: alarms may be false, or not."
    columns = ["watched", "detector", "noticed", "delay, rows", "alarms in 100 calm steps"]
    return [Section("detectors", "Detectors", note, columns, cells, folded=True)]
