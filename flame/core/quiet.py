"""What another package does beside its work while it loads: messages, and further packages."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD_ERROR = 2
"""File descriptor of standard error (POSIX)."""


@contextmanager
def silent_standard_error() -> Iterator[None]:
    """Discard all output to standard error while the body runs, C++ code included."""
    original = os.dup(_STANDARD_ERROR)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), _STANDARD_ERROR)
        yield
    finally:
        os.dup2(original, _STANDARD_ERROR)
        os.close(original)


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let imports of optional packages fail while the body runs, unless they are loaded already.

    Args:
        *packages: names of packages that what is imported can do without.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
