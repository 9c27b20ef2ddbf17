"""Alarms of drift with a run length: two-sample tests of new values against earlier ones."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from flame.core.config import Section
from flame.streams.networks.base import Array, evenly

_WINDOWS = (1, 2, 4, 8)
"""Numbers of latest steps that are compared with all before: a slow drift needs several."""
_MOST_ROWS = 2000
"""Largest number of rows of each side of a test."""
MOST_STEPS = 64
"""Largest number of steps that are remembered."""


@dataclass(frozen=True)
class AlarmConfig(Section):
    """Alarms of drift."""

    run_length: Annotated[float, Ge(2)] = 100.0
    """Smallest mean number of steps without drift of a node between two false alarms."""

    @property
    def level(self) -> float:
        """Largest probability of a false alarm of a node in a step."""
        return 1 / self.run_length


@dataclass(frozen=True)
class Shift:
    """An alarm.

    Args:
        since: number of the step with which the new values begin.
        p: p-value, corrected for all comparisons of the step.
        value: number of the value, such as a feature, that differs most.
        group: group of rows, such as a scanner, that differs most; empty: all rows.
        before: mean of this value in the rows before, as far as it is finite.
        after: mean of this value in the new rows.
        rows_before: number of the rows before.
    """

    since: int
    p: float
    value: int
    group: str
    before: float
    after: float
    rows_before: int


@dataclass(frozen=True, eq=False)
class _Seen:
    step: int
    values: Array
    groups: NDArray[np.str_]


class ShiftWatch:
    """Compares the rows of the latest 1, 2, 4 and 8 steps with those before, since the last alarm.

    Those before are of at most 64 steps. The test is that of Kolmogorov and Smirnov, with the bound
    e exp(-2 D^2 m n / (m + n)), which holds for samples of any size. The level of a step, 1 / run
    length, is shared by all windows, values and groups (Bonferroni). So a step raises a false alarm
    with at most this probability as long as the rows of all steps are exchangeable.

    Args:
        config: the run length.

    Reference:
        Rabanser et al. 2019, Failing loudly, for the tests; Wei and Dudley 2012,
        doi:10.1016/j.spl.2011.11.012, for the bound: proved for m = n, and found to hold for all
        other sizes that were tried.

    Example:
        >>> watch = ShiftWatch(AlarmConfig(run_length=100))
        >>> rng = np.random.default_rng(0)
        >>> [watch.see(step, rng.normal(step >= 3, 1, (50, 1))) is not None for step in range(5)]
        [False, False, False, True, False]
    """

    def __init__(self, config: AlarmConfig) -> None:
        self.level = config.level
        self._seen: list[_Seen] = []

    def see(self, step: int, values: Array, groups: NDArray[np.str_] | None = None) -> Shift | None:
        """Compare the rows of a step with those before, and remember them.

        Args:
            step: number of the step.
            values: values (m, d) of the rows.
            groups: group of each row (m,), such as its scanner; None: there are none.

        Returns:
            The alarm; None without one. After an alarm, the rows from its beginning on are the
            earlier ones of the next step.
        """
        if not len(values):
            return None
        named = np.full(len(values), "") if groups is None else groups
        self._seen = [*self._seen, _Seen(step, values, named)][-MOST_STEPS:]
        windows = [w for w in _WINDOWS if w < len(self._seen)]
        tested = [self._compared(w, group) for w in windows for group in self._groups(named)]
        if min((shift.p for shift in tested), default=1.0) > self.level:
            return None
        every = range(1, len(self._seen))
        found = [self._compared(w, g, len(every)) for w in every for g in self._groups(named)]
        shift = min(found, key=lambda one: one.p)
        self._seen = [seen for seen in self._seen if seen.step >= shift.since]
        return shift

    def _groups(self, named: NDArray[np.str_]) -> list[str]:
        """Return all rows as one group, and the groups of the newest rows if they are several."""
        seen = set(np.concatenate([each.groups for each in self._seen]).tolist())
        return ["", *(sorted(set(named.tolist())) if len(seen) > 1 else [])]

    def _compared(self, window: int, group: str, windows: int = 0) -> Shift:
        """Compare the latest steps with those before, with a p-value corrected for all tests.

        These are as many ``windows`` as are compared, by default those that raise an alarm.
        """
        parts = self._seen[:-window], self._seen[-window:]
        old, new = (
            np.concatenate([s.values[(s.groups == group) | (group == "")] for s in part])
            for part in parts
        )
        since = parts[1][0].step
        if not len(old) or not len(new):
            return Shift(since, 1.0, 0, group, np.nan, np.nan, len(old))
        logs = log_p(evenly(old, _MOST_ROWS), evenly(new, _MOST_ROWS))
        value = int(logs.argmin())
        windows = windows or sum(w < len(self._seen) for w in _WINDOWS)
        tests = len(logs) * windows * len(self._groups(self._seen[-1].groups))
        p = min(1.0, np.e * tests * float(np.exp(logs[value])))
        return Shift(since, p, value, group, _mean(old[:, value]), _mean(new[:, value]), len(old))


def _mean(values: Array) -> float:
    """Return the mean of the finite values; NaN without one."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def log_p(old: Array, new: Array) -> Array:
    """Compute the exponent of the bound of Kolmogorov and Smirnov.

    Args:
        old: a sample (m, d).
        new: another one (n, d).

    Returns:
        -2 D^2 m n / (m + n) (d,) with the largest difference D of two distribution functions.
    """
    values = np.concatenate([old, new])
    order = values.argsort(axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    is_new = order >= len(old)
    gap = (~is_new).cumsum(axis=0) / len(old) - is_new.cumsum(axis=0) / len(new)
    last = np.vstack([ordered[1:] != ordered[:-1], np.ones((1, values.shape[1]), bool)])
    gap = np.where(last, gap, 0)  # equal values are counted together
    d = np.abs(gap).max(axis=0)
    return np.asarray(-2 * d**2 * len(old) * len(new) / (len(old) + len(new)))
