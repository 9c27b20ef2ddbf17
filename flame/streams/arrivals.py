"""The rows that arrive at a node in a step, as a watch for drift sees them: without outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.streams.networks.base import Array
from flame.streams.shift_watch import MOST_STEPS, AlarmConfig, Shift, ShiftWatch

ALARMS = ("step", "node", "since", "feature", "new")
"""Columns of the table of alarms that may leave a node."""
_FIGURES = ("rows_before", "rows", "before", "after", "p")
"""Columns with numbers of rows and means. They stay at the node: the rows behind the mean after one
alarm are among those before the next, so that two alarms would tell the values between them."""
DEVICES, NEW_DEVICES, SUBJECTS = "devices", "new_devices", "subjects"
"""Columns with the devices and patients whose rows arrived since the drift began, and with those
devices of the step that were never seen before. They stay at the node: whoever configures a stream
chooses the columns that they are read from."""
KNOWN_BEFORE, KNOWN = "known_before", "known"
"""Columns with the numbers of patients (rows, where none is named) behind the two means of an
alarm. They stay at the node, which tells no drift of too few."""
KNOWN_NEW = "known_new"
"""Column with the smallest number of patients of a new device. It stays at the node, too."""
LOCAL = (*_FIGURES, DEVICES, NEW_DEVICES, SUBJECTS, KNOWN_BEFORE, KNOWN, KNOWN_NEW)
"""Columns of the table of alarms that never leave a node."""
_UNKNOWN = "unknown"
"""Device of a row that names none."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Rows of a node.

    Args:
        x: features (m, d); NaN is a missing value.
        device: device of each row (m,), such as the scanner; empty: unknown.
        subject: patient of each row (m,); empty: unknown.
    """

    x: Array
    device: NDArray[np.str_]
    subject: NDArray[np.str_]

    @classmethod
    def of(cls, x: Array) -> "Arrivals":
        """Make arrivals of unknown devices and patients.

        Args:
            x: features (m, ...).

        Returns:
            The rows.
        """
        unknown = np.full(len(x), "")
        return cls(x.reshape(len(x), int(np.prod(x.shape[1:]))), unknown, unknown)

    def at(self, rows: NDArray[np.int_]) -> "Arrivals":
        """Choose some of the rows.

        Args:
            rows: their numbers.

        Returns:
            These rows.
        """
        return Arrivals(self.x[rows], self.device[rows], self.subject[rows])


class ArrivalWatch:
    """Watches what arrives at one node for drift, feature by feature and device by device.

    Args:
        node: name of the node.
        names: names of the features.
        config: the run length.

    Example:
        The second scanner doubles the intensities.

        >>> watch = ArrivalWatch("basel", ["FLAIR mean"], AlarmConfig(run_length=20))
        >>> rng = np.random.default_rng(0)
        >>> for step, gain in enumerate([1, 1, 2]):
        ...     x = gain * rng.normal(10, 1, (30, 1))
        ...     watch.see(step, Arrivals(x, np.full(30, f"scanner-{gain}"), np.full(30, "")))
        >>> watch.alarms[["step", "since", "feature", "new"]].to_numpy().tolist()
        [[2, 2, 'FLAIR mean', 1]]
    """

    def __init__(self, node: str, names: Sequence[str], config: AlarmConfig) -> None:
        self.node = node
        self.names = list(names)
        self._watch = ShiftWatch(config)
        self._known: set[str] = set()
        self._latest: list[tuple[int, Arrivals]] = []
        self._rows: list[dict[str, object]] = []

    def see(self, step: int, rows: Arrivals) -> None:
        """Compare the rows of a step with those before.

        Args:
            step: number of the step.
            rows: what arrived.
        """
        devices = np.where(rows.device == "", _UNKNOWN, rows.device)
        new = sorted(set(devices.tolist()) - self._known - {_UNKNOWN}) if self._known else []
        self._known |= set(devices.tolist())
        values = np.where(np.isnan(rows.x), -np.inf, rows.x)  # more gaps are a shift, too
        shift = self._watch.see(step, values, devices)
        self._latest = [*self._latest, (step, rows)][-MOST_STEPS:]
        fewest = min((_patients(rows.at(np.flatnonzero(devices == d)), -1) for d in new), default=0)
        if shift is not None:
            moved = set() if shift.group in ("", _UNKNOWN) else {shift.group}
            self._note(step, shift, moved, new, fewest)
            self._latest = [each for each in self._latest if each[0] >= shift.since]
        elif new:
            before = sum(len(earlier.x) for _, earlier in self._latest[:-1])
            unmoved = Shift(step, np.nan, -1, "", np.nan, np.nan, before)
            self._note(step, unmoved, set(new), new, fewest)

    def _note(
        self, step: int, shift: Shift, devices: set[str], new: Sequence[str], fewest: int
    ) -> None:
        """Note an alarm, with the rows since then of some devices; without names: of all."""
        since = _joined([rows for number, rows in self._latest if number >= shift.since])
        before = _joined([rows for number, rows in self._latest if number < shift.since])
        affected, earlier = (
            rows.at(np.flatnonzero(np.isin(rows.device, sorted(devices)) | (not devices)))
            for rows in (since, before)
        )
        self._rows.append(
            {
                "step": step,
                "node": self.node,
                "since": shift.since,
                "feature": self.names[shift.value] if shift.value >= 0 else "",
                "new": len(new),
                "rows_before": shift.rows_before,
                "rows": len(affected.x),
                "before": shift.before,
                "after": shift.after,
                "p": shift.p,
                DEVICES: ", ".join(sorted(set(affected.device.tolist()) - {""})),
                NEW_DEVICES: ", ".join(new),
                SUBJECTS: " ".join(sorted(set(affected.subject.tolist()) - {""})),
                KNOWN_BEFORE: _patients(earlier if shift.value >= 0 else before, shift.value),
                KNOWN: _patients(affected, shift.value),
                KNOWN_NEW: fewest,
            }
        )

    @property
    def alarms(self) -> pd.DataFrame:
        """A row for each alarm, and for each device never seen before where no feature moved.

        - ``step``: step that raised it. ``since``: step with which the drift began.
        - ``node``: the node.
        - ``feature``, ``before`` and ``after``: the feature that moved most, with its means; empty
          where none moved.
        - ``new``: number of devices of the step that were never seen before.
        - ``rows``: rows since then, of the device that drifted or of all. ``rows_before``: those
          with which they were compared.
        - ``p``: p-value, corrected for all comparisons of the step.
        - ``devices``, ``new_devices`` and ``subjects``: devices and patients of these rows, and the
          new devices of the step.
        - ``known_before`` and ``known``: numbers of patients behind ``before`` and ``after``.
        - ``known_new``: smallest number of patients of a new device of the step; 0 without one.
        """
        return pd.DataFrame(self._rows, columns=[*ALARMS, *LOCAL])


def _joined(parts: Sequence[Arrivals]) -> Arrivals:
    """Return the rows of all parts, of which there may be none."""
    if not parts:
        return Arrivals.of(np.zeros((0, 1)))
    each = [(rows.x, rows.device, rows.subject) for rows in parts]
    x, device, subject = (np.concatenate(part) for part in zip(*each, strict=True))
    return Arrivals(x, device, subject)


def _patients(rows: Arrivals, value: int) -> int:
    """Count the patients with a finite value; a row without a patient counts as one."""
    known = np.isfinite(rows.x[:, value]) if value >= 0 else np.ones(len(rows.x), bool)
    named = rows.subject[known & (rows.subject != "")]
    return len(set(named.tolist())) + int((known & (rows.subject == "")).sum())


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join tables of alarms.

    Args:
        tables: tables of ``ArrivalWatch.alarms``.

    Returns:
        Their rows in order of steps.
    """
    filled = [table for table in tables if len(table)] or [pd.DataFrame(columns=[*ALARMS])]
    return pd.concat(filled).sort_values("step", kind="stable", ignore_index=True)
