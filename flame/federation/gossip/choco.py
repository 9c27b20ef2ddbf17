"""Choco-SGD (Koloskova 2019, arXiv:1902.00340): gossip with compressed messages."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Le

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_COPIES = "known"
"""Name of the copies z in ``NodeStates.memory``."""


@METHODS.register("choco")
@dataclass(frozen=True)
class Choco(Method):
    """Nodes send only the largest differences between their model and a copy of it at all nodes.

    z_i <- z_i + top(x_i - z_i), where z_i is the copy and top keeps the ``share`` of parameters
    with the largest absolute values. Then x_i <- x_i + ``step_size`` (sum_j W_ij z_j - z_i). All
    nodes need the same copies, so no message may be lost.

    Args:
        share: share of the parameters that is sent, above 0 and at most 1.
        step_size: step towards the neighbours; a small share needs a small one.

    Reference:
        Koloskova 2019, arXiv:1902.00340.

    Example:
        Each node sends one of its two parameters; the nodes agree on the first only.

        >>> import numpy as np
        >>> half = np.full((2, 2), 0.5)
        >>> now = Round(half, half > 0, np.ones(2, bool), np.random.default_rng(0))
        >>> trained = np.array([[0.0, 0.0], [4.0, 1.0]])
        >>> Choco(share=0.5, step_size=1.0).mix(NodeStates(trained), trained, now).models.tolist()
        [[2.0, 0.0], [2.0, 1.0]]
    """

    lossless = True
    share: Annotated[float, Gt(0), Le(1)] = 0.1
    step_size: Annotated[float, Gt(0)] = 0.3

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Step towards the neighbours' copies; with share and step size 1 it is D-PSGD."""
        copies = before.memory.get(_COPIES, np.zeros_like(trained))
        copies = copies + self._largest(trained - copies)
        models = trained + self.step_size * (now.weights @ copies - copies)
        return NodeStates(models, {_COPIES: copies})

    def numbers(self, size: int, now: Round) -> Array:
        """Count the numbers of each node, which sends values and their positions."""
        return super().numbers(2 * self._count(size), now)

    def _count(self, size: int) -> int:
        return max(1, round(self.share * size))

    def _largest(self, change: Array) -> Array:
        count = self._count(change.shape[1])
        threshold = -np.sort(-np.abs(change), axis=1)[:, [count - 1]]
        return np.where(np.abs(change) >= threshold, change, 0.0)
