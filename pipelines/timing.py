"""Wall time and memory of the stages of a long command."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True)
class StageTiming:
    """Wall seconds of a stage and the peak memory of this process and all its children in GB."""

    name: str
    seconds: float
    peak_gb: float


def _memory_gb() -> float:
    """Proportional set size of the process tree: shared pages counted once."""
    total = 0
    here = psutil.Process()
    for process in [here, *here.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 1e9


@dataclass
class Timing:
    """Collects the timing of one stage after the other."""

    stages: list[StageTiming] = field(default_factory=list)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body under ``name`` and look at its memory every second."""
        started, done, peak = time.perf_counter(), threading.Event(), [_memory_gb()]

        def watch() -> None:
            while not done.wait(1.0):
                peak[0] = max(peak[0], _memory_gb())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        self.stages.append(StageTiming(name, time.perf_counter() - started, peak[0]))
