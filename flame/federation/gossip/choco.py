"""Choco-SGD (Koloskova 2019, arXiv:1902.00340): gossip of compressed differences."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Le

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_KNOWN = "known"


@METHODS.register("choco")
@dataclass(frozen=True)
class Choco(Method):
    """Nodes send the largest ``share`` of how they differ from what others know of them.

    ``step_size`` is that of the step towards neighbours; small for a small share. What others know
    must be the same everywhere.
    """

    lossless = True
    share: Annotated[float, Gt(0), Le(1)] = 0.1
    step_size: Annotated[float, Gt(0)] = 0.3

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """With everything sent and a step size of 1 it is D-PSGD."""
        known = before.memory.get(_KNOWN, np.zeros_like(trained))
        known = known + self._largest(trained - known)
        return NodeStates(trained + self.step_size * (now.weights @ known - known), {_KNOWN: known})

    def numbers(self, size: int, now: Round) -> Array:
        """Values and their places."""
        return super().numbers(2 * self._count(size), now)

    def _count(self, size: int) -> int:
        return max(1, round(self.share * size))

    def _largest(self, change: Array) -> Array:
        count = self._count(change.shape[1])
        least = -np.sort(-np.abs(change), axis=1)[:, [count - 1]]
        return np.where(np.abs(change) >= least, change, 0.0)
