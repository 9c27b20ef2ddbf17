"""Files that are either whole or absent."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flame.core.errors import FlameError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place only if the body succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def content_hash(paths: Iterable[Path], *extra: str) -> str:
    """Return the SHA-256 over the bytes of files, in the order given, and further strings."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for text in extra:
        digest.update(text.encode())
    return digest.hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock ``path`` for this process while the body runs.

    The operating system releases the lock even if the process is killed.

    Args:
        path: lock file; absent folders are made.

    Yields:
        None, while the lock is held.

    Raises:
        FlameError: another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise FlameError(
            f"another run is writing to {path.parent}; wait for it, or give another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
