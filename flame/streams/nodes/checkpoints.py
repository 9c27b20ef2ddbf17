"""What a node or server of a stream needs to go on after it was killed: its last few steps."""

import pickle
from pathlib import Path
from typing import Any

from flame.core.files import atomic_path

_KEPT = 4
"""Number of latest steps that are kept: nodes can be a few steps apart when all are killed."""


class Checkpoints:
    """Objects by position; a position counts the steps of all methods of a run.

    Args:
        folder: folder of the files, which this node alone writes.

    Example:
        >>> from tempfile import mkdtemp
        >>> kept = Checkpoints(Path(mkdtemp()))
        >>> for position in range(6):
        ...     kept.save(position, f"after {position}")
        >>> kept.positions(), kept.load(3)
        ([2, 3, 4, 5], 'after 3')
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def positions(self) -> list[int]:
        """Return the positions that can be loaded, in rising order."""
        return sorted(int(path.stem) for path in self.folder.glob("*.pickle"))

    def save(self, position: int, state: Any) -> None:
        """Keep an object, and forget those of earlier positions but the latest.

        Args:
            position: the position.
            state: the object.
        """
        with atomic_path(self._path(position)) as path:
            path.write_bytes(pickle.dumps(state))
        for earlier in self.positions()[:-_KEPT]:
            self._path(earlier).unlink(missing_ok=True)

    def load(self, position: int) -> Any:
        """Load the object of a position.

        Args:
            position: the position.

        Returns:
            The object; None where it is not kept.
        """
        path = self._path(position)
        return pickle.loads(path.read_bytes()) if path.exists() else None  # this node wrote it

    def _path(self, position: int) -> Path:
        return self.folder / f"{position:09d}.pickle"
