"""The ``flame`` command: it parses arguments, calls a pipeline and prints the result."""

import logging
import os
import sys
import warnings
from io import TextIOWrapper
from itertools import pairwise
from pathlib import Path

from rich.markup import escape

from flame.cli import archive, data, federation, models, streams  # noqa: F401  (they register themselves)
from flame.cli.console import app, err, is_verbose
from flame.core.error_log import log_error
from flame.core.errors import FlameError
from flame.core.shown import shown_lines

_INTERRUPTED = 130
"""Exit code of typer after Ctrl-C: 128 + SIGINT."""
_BAD_PATH = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
"""Errors that a wrong path in the arguments causes, with exit code 2."""


def main() -> None:
    """Run the command; an error is printed as one line and sets the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("nilearn").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal of ASCII shows ? for other letters
            stream.reconfigure(errors="replace")
    try:
        app()
    except FlameError as error:
        _fail(str(error), error.exit_code)
    except _BAD_PATH as error:
        _fail(str(error), 2)
    except SystemExit as stop:
        if stop.code != _INTERRUPTED:
            raise
        err.print("Stopped. Run the same command again to continue.")
        raise SystemExit(1) from None
    except Exception as error:
        log = log_error(_output(sys.argv), " ".join(sys.argv), error)
        known = isinstance(error, OSError) and error.strerror
        what = known or f"unexpected {type(error).__name__}"
        _fail(f"{what}; the traceback is in {log}", 1)


def _output(arguments: list[str]) -> Path:
    """Return the output of a command, which the log of its error lies beside."""
    for argument, following in pairwise([*arguments, ""]):
        if argument == "--out":
            return Path(following)
        if argument.startswith("--out="):
            return Path(argument.removeprefix("--out="))
    return Path.cwd() / "flame"


def _fail(message: str, code: int) -> None:
    if is_verbose():
        err.print_exception()
    text = escape(shown_lines(message))
    err.print(f"[bold red]Error:[/] {text}", highlight=False, soft_wrap=True)
    raise SystemExit(code) from None
