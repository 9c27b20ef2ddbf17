"""Files that are either whole or absent."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from flame.core.errors import BadInput, FlameError


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


def write_text(path: Path, text: str, private: bool = False) -> None:
    """Write a text file atomically.

    Args:
        path: the file.
        text: its content.
        private: whether nobody but the owner may read it.
    """
    with atomic_path(path) as temporary:
        temporary.touch(mode=0o600 if private else 0o666)
        temporary.write_text(text, encoding="utf-8")


def secret_in(path: Path) -> bytes:
    """Return the secret of a site in a file; create it if there is none.

    Of several processes that begin at once, one creates it and all return it.

    Args:
        path: the file, which only its owner may read.

    Returns:
        32 random bytes, or the bytes of the file.

    Raises:
        BadInput: the file is empty.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as folder:
            fresh = Path(folder) / path.name
            fresh.touch(mode=0o600)
            fresh.write_bytes(secrets.token_bytes(32))
            with suppress(FileExistsError):
                os.link(fresh, path)
    secret = path.read_bytes()
    if not secret.strip():
        raise BadInput(
            f"{path}: the key is empty; restore it from a backup, or delete the file for a new key"
        )
    return secret


def check_free(out: Path, mark: str, kind: str = "") -> None:
    """Check that results may be written to a folder.

    Args:
        out: the folder.
        mark: file that marks a folder of the same command.
        kind: what such a folder holds, for the error message; empty: ``mark``.

    Raises:
        BadInput: the folder is a file, or holds something else.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file; give a folder to --out")
    if out.exists() and any(out.iterdir()) and not (out / mark).exists():
        raise BadInput(
            f"{out} is not empty and holds no {kind or mark}; give a new folder to --out"
        )


def sha256(path: Path) -> str:
    """Return the SHA-256 of one file as hexadecimal digits, as the program sha256sum does."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content_hash(paths: Iterable[Path], *extra: str) -> str:
    """Return the SHA-256 over the bytes of files, in the order given, and further strings."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for text in extra:
        digest.update(text.encode())
    return digest.hexdigest()


def is_locked(path: Path) -> bool:
    """Tell whether a process holds a lock of ``locked``.

    Args:
        path: an existing lock file.

    Returns:
        True if so.
    """
    lock = FileLock(path, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[None]:
    """Lock ``path`` for this process while the body runs.

    The operating system releases the lock even if the process is killed.

    Args:
        path: lock file; absent folders are made.
        wait: whether to wait for another process that holds the lock.

    Yields:
        None, while the lock is held.

    Raises:
        FlameError: another process holds the lock, and ``wait`` is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=wait)
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
