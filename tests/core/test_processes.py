"""A tree of processes that ends as a whole."""

import subprocess
import sys

import psutil

from flame.core.processes import kill_tree

CHILD = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); input()"


def test_descendants_end_and_a_process_that_has_ended_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        grandchild = psutil.Process(int(parent.stdout.readline()))
        kill_tree(parent.pid)
        gone, alive = psutil.wait_procs([grandchild], timeout=10)
        assert (len(gone), alive) == (1, [])
        assert parent.wait(10) != 0
    kill_tree(parent.pid)
