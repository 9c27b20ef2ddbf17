"""Tracebacks of unexpected errors, in a file on the machine where the error occurred.

A traceback may name patients and their files. So it is neither printed nor sent: messages name the
log file only.
"""

import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

ENDING = ".errors.log"
"""End of the name of every log."""


def log_error(beside: Path, what: str, error: BaseException) -> Path:
    """Append the traceback of an error to a log that only its owner can read.

    Args:
        beside: the output, for example a folder; the log lies beside it and has its name.
        what: the work that failed, such as a command line.
        error: the error.

    Returns:
        The path of the log. Where the folder cannot be written, the log lies in the temporary
        folder of this machine.
    """
    path = log_of(beside)
    try:
        return _append(path, what, error)
    except OSError:
        return _append(Path(tempfile.mkdtemp(prefix="flame-")) / path.name, what, error)


def log_of(beside: Path) -> Path:
    """Return where errors of an output are logged.

    Args:
        beside: the output, for example a folder.

    Returns:
        The log, which lies beside it and has its name.
    """
    return beside.resolve().with_name(f"{beside.resolve().name}{ENDING}")


def _append(path: Path, what: str, error: BaseException) -> Path:
    text = "".join(traceback.format_exception(error))
    stamp = datetime.now(UTC).isoformat(timespec="seconds")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as stream:
        stream.write(f"{stamp} {what}\n{text}\n")
    return path
