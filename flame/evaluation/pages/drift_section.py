"""Section of pages that says which drift was seen: since when, where, in what, and its cost."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flame.evaluation.pages.sections import Section
from flame.streams.arrivals import DEVICES, NEW_DEVICES, SUBJECTS
from flame.streams.methods import MAJORITY
from flame.streams.shift_watch import AlarmConfig

_STEPS = 3
"""Number of steps before and after the beginning of a drift whose accuracy is compared."""
_MOST = 40
"""Largest number of alarms that are shown."""
_PATIENTS = 20
"""Largest number of patients that are named."""


def drift_note(config: AlarmConfig, nodes: int, steps: int) -> str:
    """Say how drift is sought, and how many false alarms are to be expected.

    Args:
        config: the run length.
        nodes: number of nodes that were watched.
        steps: number of steps.

    Returns:
        Sentences.
    """
    compared = nodes * max(steps - 1, 0)
    return (
        "By features: what arrived, with or without outcomes, is compared with all before, feature "
        "by feature and device by device (two-sample tests). If rows do not depend on each other, "
        f"at most one false alarm in {config.run_length:g} steps of a node (alarms.run_length) is "
        f"to be expected: {compared / config.run_length:.1f} in {compared} steps here. By labels: "
        "a method says that a batch has another concept, evidence gossip by a test of the same "
        "level. A device never seen before is told even where no feature moved. Cost: mean "
        "accuracy in up to three steps before the drift and from its beginning."
    )


def drift_section(arrivals: pd.DataFrame, rows: pd.DataFrame, note: str) -> Section:
    """Build the section.

    Args:
        arrivals: alarms of ``ArrivalWatch`` of all nodes; patients are named where it has them.
        rows: test-then-train results of all methods; may be empty.
        note: text below the heading.

    Returns:
        A section with a row for each alarm, in order of steps.
    """
    alarms = [*_by_arrivals(arrivals), *_by_labels(rows)]
    alarms.sort(key=lambda alarm: (alarm["noticed in step"], alarm["node"]))
    if not alarms:
        return Section("seen", "Drift seen", f"{note} No drift was seen.")
    if not rows.empty:
        for alarm in alarms:
            cost = _cost(rows, int(alarm["since step"]), str(alarm["node"]))
            alarm["accuracy before and after, %"] = cost
    columns = [name for name in alarms[0] if any(alarm[name] != "" for alarm in alarms)]
    cells = [[str(alarm[name]) for name in columns] for alarm in alarms[:_MOST]]
    if len(alarms) > _MOST:
        note += f" The first {_MOST} of {len(alarms)}; drift.csv has all by features."
    return Section("seen", "Drift seen", note, columns, cells)


_Alarm = dict[str, str | int]
"""Cells of an alarm by column."""


def _by_arrivals(arrivals: pd.DataFrame) -> list[_Alarm]:
    return [
        {
            "noticed in step": int(alarm["step"]),
            "node": str(alarm["node"]),
            "since step": int(alarm["since"]),
            "by": "features" if _names_feature(alarm) else "a device never seen before",
            "what": _moved(alarm),
            "devices": _devices(alarm),
            "rows": _count(alarm.get("rows", np.nan)),
            "patients": _patients(alarm.get(SUBJECTS)),
        }
        for alarm in arrivals.to_dict("records")
    ]


def _by_labels(rows: pd.DataFrame) -> list[_Alarm]:
    if rows.empty:
        return []
    raised = rows[(rows.alarm == 1) & (rows.seed == rows.seed.iloc[0])]
    return [
        {
            "noticed in step": int(alarm["step"]),
            "node": str(alarm["node"]),
            "since step": int(alarm["step"]),
            "by": f"labels, {alarm['method']}",
            "what": "",
            "devices": "",
            "rows": _count(alarm["rows"]),
            "patients": "",
        }
        for alarm in raised.to_dict("records")
    ]


def _names_feature(alarm: Mapping[Hashable, Any]) -> bool:
    return isinstance(alarm["feature"], str) and alarm["feature"] != ""


def _moved(alarm: Mapping[Hashable, Any]) -> str:
    if not _names_feature(alarm):
        return "no feature moved"
    if "before" not in alarm:
        return str(alarm["feature"])
    before, after = (float(str(alarm[name])) for name in ("before", "after"))
    shown = ["missing" if np.isnan(value) else f"{value:.3g}" for value in (before, after)]
    return f"{alarm['feature']}: mean {shown[0]} to {shown[1]}"


def _devices(alarm: Mapping[Hashable, Any]) -> str:
    named, new = (
        name if isinstance(name := alarm.get(column), str) else ""
        for column in (DEVICES, NEW_DEVICES)
    )
    if new and new == named:
        return f"{named} (new here)"
    if not new and float(str(alarm["new"])) > 0:
        new = "a device"
    return "; ".join([named] * bool(named) + [f"{new} (new here)"] * bool(new))


def _count(value: object) -> str:
    number = float(str(value))
    return "" if np.isnan(number) else f"{number:.0f}"


def _patients(value: object) -> str:
    names = str(value).split() if isinstance(value, str) else []
    more = f" and {len(names) - _PATIENTS} more" if len(names) > _PATIENTS else ""
    return ", ".join(names[:_PATIENTS]) + more


def _cost(rows: pd.DataFrame, since: int, node: str) -> str:
    """Return the accuracy of each method before and after a step, at a node."""
    if rows.empty:
        return ""
    own = rows[(rows.node == node) & (rows.method != MAJORITY)]
    before = own[(own.step < since) & (own.step >= since - _STEPS)].groupby("method").accuracy
    after = own[(own.step >= since) & (own.step < since + _STEPS)].groupby("method").accuracy
    pairs = pd.DataFrame({"before": 100 * before.mean(), "after": 100 * after.mean()}).dropna()
    methods: Sequence[str] = [str(name) for name in own.method.unique() if name in pairs.index]
    return "; ".join(
        f"{name} {pairs.before[name]:.1f} to {pairs.after[name]:.1f}" for name in methods
    )
