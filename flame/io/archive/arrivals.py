"""Images that arrive one by one, and studies that are complete.

An image lies in ``FOLDER.incoming`` until its study has been quiet for a while and no sender broke
off in the middle of it, or had an image refused. Then the study moves to ``FOLDER``. How many
images a study has, a sender does not tell: one that broke off counts as sent again once a later
association brings further images of it, or all of those that are here. Names of files and folders
are digests of UIDs, and tell nothing of the patient.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable
from enum import Enum
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from pydicom import dcmread

from flame.core.files import atomic_path

_OPEN, _BROKEN = "open.", "broken."
"""Prefixes of files that mark a study of which a sender is sending, or broke off."""


class Stored(Enum):
    """What became of an image."""

    NEW = "stored"
    AGAIN = "here already"
    CHANGED = "refused: another image has the same SOPInstanceUID"
    FULL = "refused: the disk is full"


class Arrivals:
    """The folder of complete studies, and beside it that of half-received ones; thread-safe.

    Args:
        folder: folder of complete studies.
        quiet_s: time in s without a new image after which a study counts as complete.
        least_free: bytes that stay free on the disk.
        clock: returns the time in s.
        free: returns the free bytes of the disk of a folder.
    """

    def __init__(
        self,
        folder: Path,
        quiet_s: float = 60.0,
        least_free: int = 5 * 10**9,
        clock: Callable[[], float] = time.time,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.folder = folder
        self.incoming = folder.with_name(f"{folder.name}.incoming")
        self.quiet_s = quiet_s
        self.least_free = least_free
        self._clock = clock
        self._free = free
        self._lock = threading.Lock()
        for each in (folder, self.incoming):
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sent: dict[str, dict[str, dict[str, bool]]] = {}
        self._refused: set[str] = set()
        for mark in self.incoming.glob(f"*/{_OPEN}*"):  # this node was killed meanwhile
            _break(mark)
        for half in self.incoming.glob("*/.*"):  # and was writing an image
            half.unlink()

    def store(self, sender: str, study: str, image: str, content: bytes) -> Stored:
        """Store an image.

        Args:
            sender: names the association that sends it.
            study: StudyInstanceUID.
            image: SOPInstanceUID.
            content: the whole DICOM file.

        Returns:
            What became of it. The first image of a UID is kept.
        """
        name, file = _digest(study), f"{_digest(image)}.dcm"
        with self._lock:
            stored = self._store(sender, name, file, content)
            if stored == Stored.FULL:
                self._refused.add(sender)
            self._sent.setdefault(sender, {}).setdefault(name, {})[file] = stored == Stored.NEW
            return stored

    def _store(self, sender: str, name: str, file: str, content: bytes) -> Stored:
        """See ``store``; the lock is held."""
        here = self.incoming / name
        if here.is_dir():
            (here / f"{_OPEN}{_digest(sender)}").touch()
        for known in (here / file, self.folder / name / file):
            if known.exists():
                return Stored.AGAIN if _same(known, content) else Stored.CHANGED
        if self._free(self.incoming) - len(content) < self.least_free:
            return Stored.FULL
        try:
            here.mkdir(exist_ok=True, mode=0o700)
            (here / f"{_OPEN}{_digest(sender)}").touch()
            with atomic_path(here / file) as path:
                path.write_bytes(content)
        except OSError:
            return Stored.FULL
        self._touch(here)
        return Stored.NEW

    def refused(self, sender: str) -> None:
        """Note that an image of a sender was refused, so that its studies are not whole.

        Args:
            sender: names the association.
        """
        with self._lock:
            self._refused.add(sender)

    def released(self, sender: str) -> None:
        """Note that a sender has sent all that it wanted, also where one broke off before.

        Args:
            sender: names the association.
        """
        with self._lock:
            sent = self._sent.pop(sender, {})
            refused = sender in self._refused
            self._refused.discard(sender)
            for own in self.incoming.glob(f"*/{_OPEN}{_digest(sender)}"):
                study, images = own.parent, sent.get(own.parent.name, {})
                if refused:
                    _break(own)
                    continue
                own.unlink()
                if any(images.values()) or {file.name for file in _images(study)} <= set(images):
                    for broken in study.glob(f"{_BROKEN}*"):
                        broken.unlink()
                self._touch(study)

    def broken(self, sender: str) -> None:
        """Note that a sender broke off: its studies wait until they are sent again.

        Args:
            sender: names the association.
        """
        with self._lock:
            self._sent.pop(sender, None)
            self._refused.discard(sender)
            for own in self.incoming.glob(f"*/{_OPEN}{_digest(sender)}"):
                _break(own)

    def _touch(self, study: Path) -> None:
        os.utime(study, (self._clock(), self._clock()))

    def complete(self) -> list[Path]:
        """Move studies that are complete to the folder.

        Returns:
            Folders of the studies that moved.
        """
        moved = []
        with self._lock:
            for study in sorted(self.incoming.iterdir()):
                quiet = self._clock() - study.stat().st_mtime >= self.quiet_s
                if not quiet or _is_half(study):
                    continue
                target = self.folder / study.name
                if target.exists():  # further images of a study that is here
                    for file in _images(study):
                        file.rename(target / file.name)
                    study.rmdir()
                else:
                    study.rename(target)
                moved.append(target)
        return moved

    def count(self, study: str) -> int:
        """Return the number of images of a complete study.

        Args:
            study: StudyInstanceUID.

        Returns:
            The number; 0 where the study is not here.
        """
        return len(_images(self.folder / _digest(study)))

    def half(self) -> int:
        """Return the number of studies of which a sender is sending, or broke off."""
        return sum(_is_half(study) for study in self.incoming.iterdir())


def _images(study: Path) -> list[Path]:
    """Return the images of a study, without one that is being written."""
    return sorted(file for file in study.glob("*.dcm") if not file.name.startswith("."))


def _is_half(study: Path) -> bool:
    return any(study.glob(f"{_OPEN}*")) or any(study.glob(f"{_BROKEN}*"))


def _break(mark: Path) -> None:
    mark.rename(mark.with_name(mark.name.replace(_OPEN, _BROKEN, 1)))


def _digest(uid: str) -> str:
    return sha256(uid.encode()).hexdigest()[:24]


def _same(file: Path, content: bytes) -> bool:
    """Whether a file holds the same image; its preamble and file meta may differ."""
    kept = file.read_bytes()
    return kept == content or dcmread(BytesIO(kept)) == dcmread(BytesIO(content))
