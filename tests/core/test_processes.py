"""A tree of processes that ends as a whole, and freed memory that the kernel gets back."""

import ctypes
import subprocess
import sys

import psutil
import pytest

from flame.core.processes import kill_tree, return_freed_memory

CHILD = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); input()"
HOARDER = """
import psutil
from flame.core.processes import return_freed_memory
blocks = [bytearray(50_000) for _ in range(4000)]  # small enough for the heap: 200 MB
last = bytearray(50_000)  # the heap cannot shrink below it
del blocks
held = psutil.Process().memory_info().rss
return_freed_memory()
print((held - psutil.Process().memory_info().rss) / 1e6)
"""


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


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_freed_memory_goes_back_to_the_kernel() -> None:
    done = subprocess.run([sys.executable, "-c", HOARDER], capture_output=True, text=True)
    assert float(done.stdout) > 100


def test_another_c_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    return_freed_memory()
