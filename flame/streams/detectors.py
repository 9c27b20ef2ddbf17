"""Drift detectors of river, one for each node."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from river import drift
from river.drift import binary

from flame.core.registry import Registry
from flame.streams.networks.base import Array
from flame.streams.stream import Stream

DETECTORS: Registry[Callable[[], Any]] = Registry("drift detector")
DETECTORS.register("adwin")(drift.ADWIN)
DETECTORS.register("page-hinkley")(drift.PageHinkley)
DETECTORS.register("kswin")(lambda: drift.KSWIN(seed=0))
DETECTORS.register("ddm")(binary.DDM)
DETECTORS.register("eddm")(binary.EDDM)
DETECTORS.register("hddm-a")(binary.HDDMA)
DETECTORS.register("hddm-w")(binary.HDDMW)
_BINARY = ("ddm", "eddm", "hddm-a", "hddm-w")
"""Detectors that only take errors, 0 or 1."""


class Watch:
    """The same drift detectors at every node.

    Args:
        names: names of detectors.
        nodes: number of nodes.

    Example:
        The errors of the second node rise from 0 to 1 after 100 rows.

        >>> errors = np.repeat([[0.0, 0.0], [0.0, 1.0]], 100, axis=1)
        >>> Watch(["page-hinkley"], nodes=2).see(errors, np.ones((2, 200), bool))
        {'page-hinkley': array([ nan, 167.])}
    """

    def __init__(self, names: Iterable[str], nodes: int) -> None:
        self._each = {name: [DETECTORS[name]() for _ in range(nodes)] for name in names}

    def see(self, values: Array, there: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """Show the detectors a batch, and return their first alarms.

        Args:
            values: what is watched (n, m), such as errors, in order of time.
            there: mask (n, m) of the rows that exist.

        Returns:
            For each detector the row (n,) at which it first alarmed, from 1; NaN: no alarm.
        """
        return {
            name: np.array(
                [
                    first_alarm(one, row[here])
                    for one, row, here in zip(each, values, there, strict=True)
                ]
            )
            for name, each in self._each.items()
        }


def label_free(stream: Stream, names: Iterable[str]) -> pd.DataFrame:
    """Watch every feature of a stream with detectors of its own, which need no labels.

    Detectors that only take errors of 0 and 1 are left out.

    Args:
        stream: the stream.
        names: names of detectors.

    Returns:
        A row for each step, from the second on, and each node, with the columns ``node``,
        ``changed`` and ``rows`` of ``prequential``. ``alarm_NAME`` is the row at which the first
        feature's detector alarmed, from 1, or NaN.
    """
    usable = [name for name in names if name not in _BINARY]
    count, nodes = int(np.prod(stream.shape)), len(stream.nodes)
    watches, found = [Watch(usable, nodes) for _ in range(count)], []
    for step, batch in enumerate(stream.batches):
        x = batch.x.reshape(*batch.y.shape, count)
        each = [watch.see(x[..., k], batch.there) for k, watch in enumerate(watches)]
        first = {f"alarm_{n}": np.fmin.reduce([alarms[n] for alarms in each]) for n in usable}
        known = {"node": stream.nodes, "changed": stream.changed[step]}
        known["rows"] = batch.there.sum(axis=1)
        found.append(pd.DataFrame({**known, **first}))
    return pd.concat(found[1:], ignore_index=True)


def first_alarm(detector: Any, values: Array) -> float:
    """Show all values to a detector, and return how many it had seen at its first alarm.

    Args:
        detector: a detector of river.
        values: values (m,) in order of time.

    Returns:
        The number of values, or NaN without an alarm.
    """
    found = float("nan")
    for place, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected and np.isnan(found):
            found = place + 1.0
    return found
