"""A place for compiled code where an account has no writable home, such as a service account."""

import os
import tempfile
from pathlib import Path

_VARIABLE = "NUMBA_CACHE_DIR"
"""Environment variable of numba with the folder of its compiled code."""


def ensure_compiled_cache(package: Path) -> None:
    """Point numba to a folder of the temporary directory if it could write nowhere else.

    Numba writes beside the source code, or else below the home of the account, and fails where it
    can do neither. The folder belongs to the account alone, as others could plant code in a shared
    one.

    Args:
        package: folder of the source code.
    """
    if os.environ.get(_VARIABLE) or _writable(package) or _writable(_home_cache()):
        return
    folder = Path(tempfile.gettempdir()) / f"flame-compiled-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        folder = Path(tempfile.mkdtemp(prefix="flame-compiled-"))
    os.environ[_VARIABLE] = str(folder)


def _home_cache() -> Path:
    home = Path(os.environ.get("HOME") or os.sep)
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")


def _writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, or in the nearest one that exists above it."""
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
