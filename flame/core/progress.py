"""Callbacks by which long work reports its progress."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with steps done and the total."""
StageProgress = Callable[[str, int, int], None]
"""Called with the name of a stage, its steps done and their total."""


def silent(done: int, total: int) -> None:
    """Report nothing."""


def silent_stages(stage: str, done: int, total: int) -> None:
    """Report nothing."""
