"""Processes of this machine."""

import contextlib

import psutil


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants; FLARE's sites run in sessions of their own.

    Args:
        pid: id of the process; it may have ended already.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for child in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
