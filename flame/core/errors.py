"""Errors that the command line turns into exit codes."""

from pathlib import Path


class FlameError(Exception):
    """A failure of the work; the message names the cause and the remedy. Exit code 1."""

    exit_code = 1


class BadInput(FlameError):
    """Wrong input or wrong use; the message names the file or key and the remedy. Exit code 2."""

    exit_code = 2


class Refusal(FlameError):
    """A refusal of a centre by its own policy. The message may leave the centre."""


class StageFailed(FlameError):
    """A failed preprocessing stage, whose result could not be trusted; it returns none."""


class UnreadableImage(BadInput):
    """An image whose pixels cannot be used.

    Args:
        path: file or folder of the image; it stays on this machine.
        reason: why the pixels cannot be used; it may leave the centre.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; export the series again or remove it")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type["UnreadableImage"], tuple[Path, str]]:
        return type(self), (self.path, self.reason)
