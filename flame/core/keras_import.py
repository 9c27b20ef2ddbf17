"""Keras on TensorFlow, imported without the lines that TensorFlow writes to standard error.

TensorFlow logs from C++ while it loads, before any setting of its own takes effect, so the file
descriptor itself is closed meanwhile. Every other module takes ``keras`` from here; a lint rule
holds that.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD_ERROR = 2


@contextmanager
def _silent_standard_error() -> Iterator[None]:
    kept = os.dup(_STANDARD_ERROR)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), _STANDARD_ERROR)
        yield
    finally:
        os.dup2(kept, _STANDARD_ERROR)
        os.close(kept)


os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # 3: nothing below FATAL
with _silent_standard_error():
    import keras

__all__ = ["keras"]
