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


def of_stage(progress: StageProgress, stage: str) -> Progress:
    """Return the progress of one stage of a command with several.

    Args:
        progress: called with the stage, its steps done and their total.
        stage: name of the stage.

    Returns:
        A function of the steps done and their total.
    """
    return lambda done, total: progress(stage, done, total)
