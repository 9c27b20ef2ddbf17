"""Detectors of drift (river), one a node, and what they are given to watch."""

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
"""Those that watch errors, 0 or 1, alone."""


class Watch:
    """Detectors of the same kinds at every node."""

    def __init__(self, names: Iterable[str], nodes: int) -> None:
        self._each = {name: [DETECTORS[name]() for _ in range(nodes)] for name in names}

    def see(self, values: Array, there: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """For each detector the row (n,) of ``values`` (n, m) at which it first alarmed, or NaN."""
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
    """A row a step and node, from the second step on, with alarms that need no label.

    Every feature has detectors of its own; ``alarm_NAME`` is the row at which the first of them
    alarmed, or NaN. The other columns are those of ``prequential``.
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
    """How many values were seen at the first alarm; NaN without one. All are shown to it."""
    found = float("nan")
    for place, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected and np.isnan(found):
            found = place + 1.0
    return found
