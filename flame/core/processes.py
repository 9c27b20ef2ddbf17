"""Processes of this machine."""

import contextlib
import ctypes
import os

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


def return_freed_memory() -> None:
    """Return what was freed to the kernel; the C library would keep it for the process."""
    library = ctypes.CDLL(None) if os.name == "posix" else None
    trim = getattr(library, "malloc_trim", None)  # of glibc alone
    if trim:
        trim(0)
