"""The ``flame`` command: it parses arguments, calls a pipeline and prints the result."""

import logging
import os
import sys
import warnings
from pathlib import Path

from rich.markup import escape

from flame.cli import data, federation, models, streams  # noqa: F401  (they register themselves)
from flame.cli.console import app, err, is_verbose
from flame.core.error_log import log_error
from flame.core.errors import FlameError

_INTERRUPTED = 130
"""Exit code of typer after Ctrl-C: 128 + SIGINT."""
_BAD_PATH = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
"""Errors that a wrong path in the arguments causes, with exit code 2."""


def main() -> None:
    """Run the command; an error is printed as one line and sets the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("nilearn").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore")
    try:
        app()
    except FlameError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _fail(str(error), 2 if isinstance(error, _BAD_PATH) else 1)
    except SystemExit as stop:
        if stop.code != _INTERRUPTED:
            raise
        err.print("Stopped. Run the same command again to continue.")
        raise SystemExit(1) from None
    except Exception as error:
        log = log_error(Path.cwd() / "flame", " ".join(sys.argv), error)
        _fail(f"unexpected {type(error).__name__}; the traceback is in {log}", 1)


def _fail(message: str, code: int) -> None:
    if is_verbose():
        err.print_exception()
    err.print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise SystemExit(code) from None
