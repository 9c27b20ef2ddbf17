"""The command as a process of its own, as users start it."""

import subprocess
import sys
from pathlib import Path


def flame(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``flame`` with these arguments; the exit code is for the caller to check."""
    return subprocess.run(
        [sys.executable, "-m", "flame", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )


def printed(*arguments: object) -> str:
    """Run ``flame`` with these arguments, and return what it prints; it has to succeed."""
    done = flame(*arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
