"""The ``flame`` command: parses, calls a pipeline, prints."""

import logging
import os
import warnings

from rich.markup import escape

from flame.cli import data, federation, models, streams  # noqa: F401  (their commands register themselves)
from flame.cli.console import app, err
from flame.core.errors import FlameError

_INTERRUPTED = 130
_BAD_PATH = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)


def main() -> None:
    """Run the command; a FlameError becomes one line and its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("nilearn").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore")
    try:
        app()
    except FlameError as error:
        err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(2 if isinstance(error, _BAD_PATH) else 1) from None
    except SystemExit as stop:
        if stop.code != _INTERRUPTED:
            raise
        err.print("Stopped. Run the same command again to go on from here.")
        raise SystemExit(1) from None
