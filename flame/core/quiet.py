"""Silencing of standard error while another package loads."""

import os
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
