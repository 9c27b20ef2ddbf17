import operator
import os
import signal

import numpy as np
import pytest

from flame.core.errors import FlameError
from flame.pipelines.parallel import in_parallel

# Only functions of the standard library: a spawned process cannot import a test module.


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_with_large_arguments(jobs: int) -> None:
    arrays = [np.full(1_000_000, n) for n in range(6)]
    found = list(in_parallel(operator.getitem, [(array, -1) for array in arrays], jobs))
    assert found == [0, 1, 2, 3, 4, 5]


def test_a_killed_process_is_an_error_not_a_hang() -> None:
    with pytest.raises(FlameError, match="a working process was killed"):
        list(in_parallel(signal.raise_signal, [(signal.SIGKILL,)] * 2, 2))


def test_a_killed_process_costs_its_own_call_only() -> None:
    """Calls of which one kills its process; the others end, and the results stay in order."""
    kill = "__import__('os').kill(__import__('os').getpid(), 9)"
    calls = [(kill if n == 2 else str(n),) for n in range(6)]
    assert list(in_parallel(eval, calls, 2, killed=lambda _: -1)) == [0, 1, -1, 3, 4, 5]


def test_processes_that_cannot_start_are_an_error_not_lost_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script without a guard cannot start any process, and no patient was killed."""
    monkeypatch.setattr("flame.pipelines.parallel._begin", os.abort)
    with pytest.raises(FlameError, match="a working process was killed"):
        list(in_parallel(abs, [(n,) for n in range(3)], 2, killed=lambda _: -1))
