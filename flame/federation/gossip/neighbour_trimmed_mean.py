"""Trimmed mean over neighbours (BRIDGE-T, Fang 2022, arXiv:1908.08098)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round


@METHODS.register("neighbour-trimmed-mean")
@dataclass(frozen=True)
class NeighbourTrimmedMean(Method):
    """The mean of every weight without the ``num_byzantine`` highest and lowest neighbours.

    A node that hears 2 ``num_byzantine`` or fewer in a round keeps its own model.
    """

    num_byzantine: Annotated[int, Ge(0)] = 1

    def check(self, heard: NDArray[np.int_]) -> None:
        """See ``Method``."""
        if heard.max() < self._least:
            raise BadInput(
                f"gossip.method 'neighbour-trimmed-mean' with num_byzantine = {self.num_byzantine} "
                f"averages nodes that hear {self._least} others or more, and no node hears more "
                f"than {heard.max()}: choose a topology with more links, or a lower num_byzantine"
            )

    @property
    def _least(self) -> int:
        return 2 * self.num_byzantine + (self.num_byzantine > 0)

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """With num_byzantine 0 it is the plain mean of those that are heard and of itself."""
        hears = now.arrived & now.hears
        rows = [self._mean(trained[i], trained[hears[i]]) for i in range(len(trained))]
        return NodeStates(np.stack(rows))

    def _mean(self, own: Array, others: Array) -> Array:
        if len(others) < self._least:
            return own
        ordered = np.sort(others, axis=0)[self.num_byzantine : len(others) - self.num_byzantine]
        return np.asarray(np.vstack([ordered, own]).mean(axis=0))
