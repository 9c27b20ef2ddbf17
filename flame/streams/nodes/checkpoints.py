"""What a node or server of a stream needs to go on after it was killed: its last few steps."""

import os
import pickle
from pathlib import Path
from typing import Any

from flame.core.files import atomic_path, write_text

_KEPT = 4
"""Number of latest steps that are kept: nodes can be a few steps apart when all are killed."""
_DONE = "done.txt"
"""File with the number of steps of a run that is finished."""


class Checkpoints:
    """Objects by the number of steps after which they were stored; only their owner can read them.

    Args:
        folder: folder of the files, which this node alone writes.

    Example:
        >>> from tempfile import mkdtemp
        >>> kept = Checkpoints(Path(mkdtemp()))
        >>> for position in range(1, 7):
        ...     kept.save(position, f"after {position}")
        >>> kept.positions(), kept.load(4)
        ([0, 3, 4, 5, 6], 'after 4')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def positions(self) -> list[int]:
        """Return the numbers of steps from which this node can go on, in rising order."""
        stored = [int(path.stem) for path in self.folder.glob("[0-9]*.pickle")]
        done = self.folder / _DONE
        return sorted({0, *stored, *([int(done.read_text())] if done.exists() else [])})

    def save(self, position: int, state: Any) -> None:
        """Keep an object, and forget those of earlier positions but the latest.

        Args:
            position: number of steps that are done, 1 or more.
            state: the object.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with atomic_path(self._path(position)) as path:
            path.touch(mode=0o600)
            path.write_bytes(pickle.dumps(state))
            os.chmod(path, 0o600)
        for earlier in [p for p in self.positions() if p][:-_KEPT]:
            self._path(earlier).unlink(missing_ok=True)

    def latest(self, most: int) -> tuple[int, Any]:
        """Load the latest object, and forget those that are later.

        Args:
            most: number of steps from which the run goes on.

        Returns:
            The number of steps of the object, at most ``most``, and the object; 0 and None where
            there is none.
        """
        for path in self.folder.glob("[0-9]*.pickle"):
            if int(path.stem) > most:
                path.unlink()
        stored = [int(path.stem) for path in self.folder.glob("[0-9]*.pickle")]
        position = max(stored, default=0)
        return position, self.load(position) if position else None

    def load(self, position: int) -> Any:
        """Load the object of a position.

        Args:
            position: the position.

        Returns:
            The object; None where it is not kept.
        """
        path = self._path(position)
        return pickle.loads(path.read_bytes()) if path.exists() else None  # this node wrote it

    def finish(self, position: int) -> None:
        """Remember that a run is finished, and delete its objects: they hold rows.

        Args:
            position: number of steps of the run.
        """
        write_text(self.folder / _DONE, str(position))
        for path in self.folder.glob("[0-9]*.pickle"):
            path.unlink()

    def _path(self, position: int) -> Path:
        return self.folder / f"{position:09d}.pickle"
