"""Batches of a site from its own table, which may grow."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.errors import BadInput, Refusal
from flame.streams.arrivals import Arrivals
from flame.streams.config import StreamConfig
from flame.streams.networks.base import Array, Labels, evenly
from flame.streams.sources.tables.config import TIME, TableConfig
from flame.streams.sources.tables.features import (
    Scale,
    arrivals_of,
    feature_count,
    numbers,
    unscaled,
)
from flame.streams.sources.tables.outcomes import Y, with_outcomes
from flame.streams.sources.tables.patients import PARTICIPANT, is_finished
from flame.streams.sources.tables.rows import EPOCH, read_rows
from flame.streams.sources.tables.shifted import with_changes
from flame.streams.sources.tables.stream import start_of, steps_of, times_in_steps
from flame.streams.stream import Batch, padded

_EPOCH_H = EPOCH.timestamp() / 3600
"""Hours from 1970, where clocks begin, to 2000, where the times of rows do."""
_PACKED = (".gz", ".zip")
"""Endings of files that tell themselves whether they are whole."""
_LOOK_S = 60.0
"""Longest pause in s between two looks at the clock."""


_STORED = ("seen", "watched", "most", "scale")
"""Attributes that are stored with a run."""


class SiteTable:
    """The table of one site: a batch is what has arrived since the one before.

    A row belongs to the batch of its own step, or to a later one if it arrives late. Rows of fewer
    patients than ``least`` wait for the next step. A row is known again by its time, features and
    subject, so that a corrected outcome is no further row.

    Args:
        config: the configuration of the stream.
        path: CSV file, or a folder of ``flame preprocess``.
        least: least number of patients in a batch.
        patients: column that names the patient of a row; empty: the subject, or else every row
            counts as a patient.
        clock: returns the time in s since 1970.
        wait: waits for a number of seconds.

    Raises:
        Refusal: ``table.rows`` would make batches smaller than ``least``.
    """

    def __init__(
        self,
        config: StreamConfig,
        path: Path,
        least: int = 1,
        patients: str = "",
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        if 0 < config.table.rows < least:
            raise Refusal(f"learns from {least} rows or more at once: set table.rows to 0, or more")
        self.config: TableConfig = replace(config.table, files=(str(path),))
        if patients:
            self.config = replace(self.config, subject_column=patients)
        self.follow = config.sites.follow
        self._patience_s = config.sites.timeout_s
        self.least = least
        self.seen: set[int] = set()
        self.watched: set[int] = set()
        self.most: dict[int, int] = {}
        self.scale = Scale(feature_count(self.config))
        self._last: tuple[int, Batch, Arrivals] | None = None
        self._clock = clock
        self._wait = wait
        self._unended: bool | tuple[int, int] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Return what is stored with a run: the rows that are in batches, and the scale."""
        return {name: getattr(self, name) for name in _STORED}

    def resume(self, earlier: "SiteTable") -> None:
        """Go on from a stored state.

        Args:
            earlier: the table as it was stored.
        """
        for name in _STORED:
            setattr(self, name, getattr(earlier, name))

    def most_of_a_patient(self, step: int) -> int:
        """Return the largest number of rows that a patient has in the batch of a step.

        Args:
            step: number of a step that was read.

        Returns:
            The number; 1 where every row counts as a patient.
        """
        return self.most.get(step, 1)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; with ``sites.follow`` once the time of the step is over.

        Args:
            step: number of the step, from 0; asked again, it is the same batch.

        Returns:
            The batch of one node.

        Raises:
            BadInput: the table cannot be read.
        """
        return self._read(step)[0]

    def arrived(self, step: int) -> Arrivals:
        """Return what has arrived since the step before, also rows without an outcome.

        Args:
            step: number of the step, from 0; asked again, these are the same rows.

        Returns:
            The rows.

        Raises:
            BadInput: the table cannot be read.
        """
        return self._read(step)[1]

    def _read(self, step: int) -> tuple[Batch, Arrivals]:
        """Read the table once for a step."""
        if self._last is None or self._last[0] != step:
            if self.follow:
                self._wait_for(step)
            rows = self._rows()
            x, y = self._new(step, rows)
            batch = padded([(x, y, y)], x.shape[1:], least=1)
            self._last = (step, batch, self._unwatched(step, rows))
        return self._last[1], self._last[2]

    def _unwatched(self, step: int, rows: pd.DataFrame) -> Arrivals:
        """Return rows that have not been watched, and remember them."""
        rows = rows[rows[TIME].notna()]
        if rows.empty:
            return arrivals_of(self.config, rows)
        steps = times_in_steps(self.config, rows, 0.0).to_numpy(int)
        keys = _keys(self.config, rows)
        new = (steps >= 0) & (steps <= step) & ~np.isin(keys, list(self.watched))
        self.watched |= set(keys[new].tolist())
        return arrivals_of(self.config, rows[new])

    def _new(self, step: int, rows: pd.DataFrame) -> tuple[Array, Labels]:
        """Return features and labels of what has arrived since the last batch, and remember it."""
        none = np.zeros((0, feature_count(self.config))), np.zeros(0, np.int64)
        table, _ = with_outcomes(self.config, rows)
        if table.empty:
            return none
        steps = steps_of(self.config, table).to_numpy(int)
        keys = _keys(self.config, table)
        new = (steps >= 0) & (steps <= step) & ~np.isin(keys, list(self.seen))
        chosen = evenly(np.flatnonzero(new), self.config.rows)
        subject = self.config.subject_column
        rows_of = table[subject].iloc[chosen].value_counts() if subject else np.ones(len(chosen))
        if len(rows_of) < self.least:
            return none
        self.most[step] = int(max(rows_of, default=1))
        self.seen |= set(keys[new].tolist())
        scaled = np.zeros((len(table), feature_count(self.config)))
        scaled[new] = self.scale.see(unscaled(self.config, table[new]))
        return scaled[chosen], table[Y].to_numpy(np.int64)[chosen]

    def _wait_for(self, step: int) -> None:
        """Wait until a step is over."""
        start = start_of(self.config, dated=True)
        end = 3600 * (start + _EPOCH_H + (step + 1) * 24 * self.config.step / self.config.parts)
        while (left := end - self._clock()) > 0:
            self._wait(min(left, _LOOK_S))

    def _rows(self) -> pd.DataFrame:
        """Read all rows; of a table that grows, again where it was being written."""
        latest = self._clock() + self._patience_s
        while True:
            if self.follow:
                self._wait_for_whole(latest)
            try:
                return with_changes(self.config, read_rows(self.config, 0))
            except (BadInput, OSError):
                if not self.follow or self._clock() >= latest:
                    raise
                self._wait(min(latest - self._clock(), _LOOK_S))

    def _wait_for_whole(self, latest: float) -> None:
        """Wait while a folder is renewed, or the last line of a table is written.

        A last line without an end that stays as it is counts as whole.
        """
        path = Path(self.config.files[0])
        while self._clock() < latest:
            state = is_finished(path) if path.is_dir() else _ended(path)
            if state is True or state == self._unended:
                return
            self._wait(min(latest - self._clock(), _LOOK_S))
        self._unended = None if path.is_dir() else _ended(path)


def _ended(path: Path) -> bool | tuple[int, int]:
    """Return True where a table ends with a whole line, and else its size and time of writing."""
    try:
        state = path.stat()
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
    except OSError:  # it is not there, or empty
        return 0, 0
    return last in b"\r\n" or path.suffix in _PACKED or (state.st_size, state.st_mtime_ns)


def _keys(config: TableConfig, table: pd.DataFrame) -> NDArray[np.int64]:
    """Return a number for each row that stays the same when rows are added or rewritten.

    A preprocessed patient has one row, whatever is measured again.
    """
    if all(Path(file).is_dir() for file in config.files):
        names = pd.util.hash_pandas_object(table[PARTICIPANT].astype(str), index=False)
        return names.to_numpy(np.uint64).astype(np.int64)
    cells = pd.DataFrame({TIME: table[TIME], **{n: numbers(table[n], "table") for n in config.raw}})
    if config.subject_column:
        cells[config.subject_column] = table[config.subject_column].astype(str)
    content = pd.util.hash_pandas_object(cells, index=False)
    again = content.groupby(content).cumcount()
    return (content.to_numpy(np.uint64) + again.to_numpy(np.uint64)).astype(np.int64)
