"""The memory that a method needs: the arrays that it keeps from step to step."""

from typing import Any

import numpy as np


def held_bytes(learner: Any) -> int:
    """Count the bytes of the arrays that a learner and its exchange remember.

    Args:
        learner: a learner that has begun.

    Returns:
        Bytes of all arrays that its attributes lead to, each counted once; without the network,
        which holds no weights, and the graph of the nodes.

    Example:
        >>> from types import SimpleNamespace as Played
        >>> models = np.zeros((2, 3))
        >>> held_bytes(Played(network=None, models=models, start=models, old=[np.zeros(4)]))
        80
    """
    counted: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [value for name, value in vars(learner).items() if name != "network"]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            owner = value.base if isinstance(value.base, np.ndarray) else value
            counted[id(owner)] = owner.nbytes
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple | set):
            waiting += value
        elif type(value).__module__.startswith("flame.streams"):
            waiting += vars(value).values()
    return sum(counted.values())
