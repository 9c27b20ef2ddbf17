"""Silence while another package loads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD_ERROR = 2


@contextmanager
def silent_standard_error() -> Iterator[None]:
    """Drop what is written to standard error, also by C++ code, while the body runs."""
    kept = os.dup(_STANDARD_ERROR)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), _STANDARD_ERROR)
        yield
    finally:
        os.dup2(kept, _STANDARD_ERROR)
        os.close(kept)
