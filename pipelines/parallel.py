"""Parallel work in processes of this machine or in a Dask cluster, with results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from flame.core.errors import BadInput, FlameError

R = TypeVar("R")
_KILLED = (
    "a working process was killed, perhaps for want of memory; run the same command again "
    "to continue, with fewer --jobs"
)


def _begin() -> None:
    """Limit this process to one thread, as others share the processors; end it with its parent."""
    import numba
    import numpy  # noqa: F401  (its libraries must be loaded to be limited)
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    numba.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def in_parallel(
    work: Callable[..., R],
    arguments: Iterable[tuple[Any, ...]],
    jobs: int,
    scheduler: str | None = None,
    killed: Callable[..., R] | None = None,
) -> Iterator[R]:
    """Call a function for many arguments in parallel.

    Args:
        work: function of a module, so that other processes can import it.
        arguments: positional arguments of each call.
        jobs: number of processes; 1: all calls run in this process.
        scheduler: address of a Dask scheduler whose workers run the calls instead; they need FLAME
            and the same folders.
        killed: result of a call, from its arguments, whose process was killed when nothing else
            ran; None: that is an error. Without effect if ``jobs`` is 1 or on Dask.

    Yields:
        The results, in order of ``arguments``.

    Raises:
        BadInput: Dask is not installed, or no scheduler answers at the address.
        FlameError: a process or a worker was killed.
    """
    if jobs == 1 and scheduler is None:
        yield from (work(*a) for a in arguments)
        return
    waiting = deque(arguments)
    while waiting:
        try:
            for result in _results(work, waiting, jobs, scheduler):
                waiting.popleft()
                yield result
        except BrokenProcessPool:
            if killed is None or not _can_work():
                raise FlameError(_KILLED) from None
            yield _alone(work, waiting.popleft(), killed)


def _results(
    work: Callable[..., R], arguments: Iterable[tuple[Any, ...]], jobs: int, scheduler: str | None
) -> Iterator[R]:
    with _executor(jobs, scheduler) as pool:
        try:
            for future in [pool.submit(work, *a) for a in arguments]:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _can_work() -> bool:
    """Whether a process can start at all, which it cannot in a script without a guard."""
    try:
        return bool(list(_results(os.getpid, [()], 1, None)))
    except BrokenProcessPool:
        return False


def _alone(work: Callable[..., R], arguments: tuple[Any, ...], killed: Callable[..., R]) -> R:
    """Repeat a call that may have been the one that killed its process, with no other beside it."""
    try:
        (result,) = _results(work, [arguments], 1, None)
    except BrokenProcessPool:
        return killed(*arguments)
    return result


@contextmanager
def _executor(jobs: int, scheduler: str | None) -> Iterator[Executor]:
    if scheduler is None:
        # Spawned: forking a process that holds threads of numerical libraries can hang.
        yield ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)
        return
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise BadInput("--scheduler needs Dask: pip install 'flame-medical[dask]'") from None
    try:
        client: Any = Client(scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"no Dask scheduler at {scheduler}; start one, or check it") from error
    with client:
        try:
            yield _DaskExecutor(client)
        except KilledWorker:
            raise FlameError(_KILLED) from None


class _DaskExecutor(Executor):
    """Dask futures that equal calls do not share, as the calls write files."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._futures: list[Any] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        future = self._client.submit(fn, *args, **kwargs, pure=False)
        self._futures.append(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self._client.cancel(self._futures)
