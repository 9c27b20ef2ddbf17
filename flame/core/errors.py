"""Errors that the command line turns into exit codes."""

from pathlib import Path


class FlameError(Exception):
    """Work that failed; the message says what and what to do. Exit code 1."""

    exit_code = 1


class BadInput(FlameError):
    """Input or use that cannot be accepted; names the file or key and the remedy. Exit code 2."""

    exit_code = 2


class Refusal(FlameError):
    """What a centre does not do, by its own policy. Its text may leave the centre."""


class StageFailed(FlameError):
    """A preprocessing stage whose result cannot be trusted, so there is none."""


class UnreadableImage(BadInput):
    """Pixels that cannot be used. ``reason`` may be written anywhere, ``path`` stays local."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; export the series again or remove it")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type["UnreadableImage"], tuple[Path, str]]:
        return type(self), (self.path, self.reason)
