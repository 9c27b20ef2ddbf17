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
"""Detectors that only accept errors, 0 or 1."""


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
        self._detectors = {name: [DETECTORS[name]() for _ in range(nodes)] for name in names}

    def see(self, values: Array, exists: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """Update the detectors with the values of a batch.

        Args:
            values: values (n, m) to watch, such as errors, in order of time.
            exists: mask (n, m) of the rows that exist.

        Returns:
            For each detector the row (n,) at which it raised its first alarm, from 1; NaN: no
            alarm.
        """
        return {
            name: np.array(
                [
                    first_alarm(detector, row[mask])
                    for detector, row, mask in zip(detectors, values, exists, strict=True)
                ]
            )
            for name, detectors in self._detectors.items()
        }


def label_free(stream: Stream, names: Iterable[str]) -> pd.DataFrame:
    """Watch every feature of a stream with its own detectors, which need no labels.

    Detectors that only accept errors of 0 and 1 are left out.

    Args:
        stream: the stream.
        names: names of detectors.

    Returns:
        A row for each step, from the second on, and each node, with the columns ``node``,
        ``changed`` and ``rows`` of ``prequential``. ``alarm_NAME`` is the row at which the detector
        of any feature raised the first alarm, from 1, or NaN.
    """
    usable = [name for name in names if name not in _BINARY]
    count = int(np.prod(stream.shape))
    nodes = len(stream.nodes)
    watches = [Watch(usable, nodes) for _ in range(count)]
    tables = []
    for step, batch in enumerate(stream.batches):
        x = batch.x.reshape(*batch.y.shape, count)
        alarms = [watch.see(x[..., k], batch.exists) for k, watch in enumerate(watches)]
        first = {f"alarm_{name}": np.fmin.reduce([a[name] for a in alarms]) for name in usable}
        columns = {"node": stream.nodes, "changed": stream.changed[step]}
        columns["rows"] = batch.exists.sum(axis=1)
        tables.append(pd.DataFrame({**columns, **first}))
    return pd.concat(tables[1:], ignore_index=True)


def first_alarm(detector: Any, values: Array) -> float:
    """Update a detector with all values, and find its first alarm.

    Args:
        detector: a detector of river.
        values: values (m,) in order of time.

    Returns:
        The number of values up to the first alarm, with the value that raised it; NaN without an
        alarm.
    """
    count = float("nan")
    for place, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected and np.isnan(count):
            count = place + 1.0
    return count
