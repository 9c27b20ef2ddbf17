"""Wall time and peak memory of the stages of a long command."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True)
class StageTiming:
    """Time and memory of one stage.

    Args:
        name: name of the stage.
        seconds: wall time in s.
        peak_gb: peak memory of this process and all its children, in GB.
    """

    name: str
    seconds: float
    peak_gb: float


def _memory_gb() -> float:
    """Return the proportional set size of the process tree in GB; it counts shared pages once."""
    total = 0
    here = psutil.Process()
    for process in [here, *here.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 1e9


@dataclass
class Timing:
    """Collects the timing of stages that run one after the other.

    Args:
        stages: timing of the finished stages.
    """

    stages: list[StageTiming] = field(default_factory=list)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body under ``name``, and measure its memory every second."""
        started = time.perf_counter()
        done = threading.Event()
        peak = [_memory_gb()]

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
