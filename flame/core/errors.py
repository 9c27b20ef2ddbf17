"""Errors that the command line turns into exit codes."""


class FlameError(Exception):
    """Work that failed; the message says what and what to do. Exit code 1."""

    exit_code = 1


class BadInput(FlameError):
    """Input or use that cannot be accepted; names the file or key and the remedy. Exit code 2."""

    exit_code = 2


class StageFailed(FlameError):
    """A preprocessing stage whose result cannot be trusted, so there is none."""
