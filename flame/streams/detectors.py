"""Detectors of drift (river), one a node, and what they are given to watch."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import drift
from river.drift import binary

from flame.core.registry import Registry
from flame.streams.network import Array

DETECTORS: Registry[Callable[[], Any]] = Registry("drift detector")
DETECTORS.register("adwin")(drift.ADWIN)
DETECTORS.register("page-hinkley")(drift.PageHinkley)
DETECTORS.register("kswin")(lambda: drift.KSWIN(seed=0))
DETECTORS.register("ddm")(binary.DDM)
DETECTORS.register("eddm")(binary.EDDM)
DETECTORS.register("hddm-a")(binary.HDDMA)
DETECTORS.register("hddm-w")(binary.HDDMW)


class Watch:
    """Detectors of the same kinds at every node."""

    def __init__(self, names: Iterable[str], nodes: int) -> None:
        self._each = {name: [DETECTORS[name]() for _ in range(nodes)] for name in names}

    def see(self, values: Array, there: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
        """For each detector the row (n,) of ``values`` (n, m) at which it first alarmed, or NaN."""
        return {
            name: np.array([
                first_alarm(one, row[here]) for one, row, here in zip(each, values, there,
                                                                      strict=True)
            ])
            for name, each in self._each.items()
        }  # fmt: skip


def first_alarm(detector: Any, values: Array) -> float:
    """How many values were seen at the first alarm; NaN without one. All are shown to it."""
    found = float("nan")
    for place, value in enumerate(values):
        detector.update(float(value))
        if detector.drift_detected and np.isnan(found):
            found = place + 1.0
    return found
