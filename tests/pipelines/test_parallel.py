import os
import signal

import numpy as np
import pytest

from flame.core.errors import FlameError
from flame.pipelines.parallel import in_parallel


def square(number: int, ballast: np.ndarray) -> int:
    return number * number + int(ballast[0])


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_with_large_arguments(jobs: int) -> None:
    ballast = np.zeros(1_000_000)
    found = list(in_parallel(square, [(n, ballast) for n in range(6)], jobs))
    assert found == [0, 1, 4, 9, 16, 25]


def test_a_killed_process_is_an_error_not_a_hang() -> None:
    with pytest.raises(FlameError, match="a working process was killed"):
        list(in_parallel(die, [(1,), (2,)], 2))
