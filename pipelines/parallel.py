"""Work spread over processes, results in order."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from flame.core.errors import FlameError

R = TypeVar("R")


def _one_thread() -> None:
    """One thread of linear algebra a process, so that processes do not crowd each other out."""
    import numpy  # noqa: F401  (its libraries must be loaded to be limited)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def in_parallel(
    work: Callable[..., R], arguments: Iterable[tuple[Any, ...]], jobs: int
) -> Iterator[R]:
    """Yield ``work(*a)`` for each of ``arguments`` in order, computed by ``jobs`` processes.

    Processes are spawned: forking one that holds threads of numerical libraries can hang.
    """
    if jobs == 1:
        yield from (work(*a) for a in arguments)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread)
    try:
        for future in [pool.submit(work, *a) for a in arguments]:
            yield future.result()
    except BrokenProcessPool:
        raise FlameError(
            "a working process was killed, perhaps for want of memory; run the same command again "
            "to go on, with fewer --jobs"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
