"""Places for the caches of libraries where an account has no writable home, as service accounts."""

import os
import tempfile
from pathlib import Path

_COMPILED = "NUMBA_CACHE_DIR"
"""Environment variable of numba with the folder of its compiled code."""
_FONTS = "MPLCONFIGDIR"
"""Environment variable of Matplotlib with the folder of its list of fonts."""


def ensure_caches(package: Path) -> None:
    """Point numba and Matplotlib to the temporary directory if they could write nowhere else.

    Numba writes beside the source code, or else below the home of the account, and fails where it
    can do neither; Matplotlib writes below the home, and warns. The folder belongs to the account
    alone, as others could plant code in a shared one.

    Args:
        package: folder of the source code.
    """
    home = Path(os.environ.get("HOME") or os.sep)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    lacking = [_COMPILED] if not (_writable(package) or _writable(cache)) else []
    lacking += [_FONTS] if not (_writable(cache) and _writable(settings)) else []
    lacking = [name for name in lacking if not os.environ.get(name)]
    if lacking:
        folder = str(_private_folder())
        os.environ.update(dict.fromkeys(lacking, folder))


def _private_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"flame-caches-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="flame-caches-"))
    return folder


def _writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, or in the nearest one that exists above it."""
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK)
