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
    """The mean of each parameter over a node and its neighbours, without the neighbours' extremes.

    Of each parameter the ``num_byzantine`` highest and the ``num_byzantine`` lowest values of the
    neighbours are left out. A node that receives 2 num_byzantine models or fewer in a round keeps
    its own.

    Args:
        num_byzantine: number of neighbours of a node that may send arbitrary models.

    Reference:
        BRIDGE-T, Fang 2022, arXiv:1908.08098.

    Example:
        Node 0 receives 1, 2 and 100; it averages the 2 with its own 0.

        >>> full = np.full((4, 4), 0.25)
        >>> now = Round(full, full > 0, np.ones(4, bool), np.random.default_rng(0))
        >>> trained = np.array([[0.0], [1.0], [2.0], [100.0]])
        >>> method = NeighbourTrimmedMean(num_byzantine=1)
        >>> method.mix(NodeStates(trained), trained, now).models.tolist()
        [[1.0], [1.5], [1.5], [50.5]]
    """

    num_byzantine: Annotated[int, Ge(0)] = 1

    def check(self, heard: NDArray[np.int_]) -> None:
        """See ``Method``.

        Raises:
            BadInput: no node receives more than 2 num_byzantine others; never if that is 0.
        """
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
        """See ``Method``. If num_byzantine is 0 it is the plain mean of own and received models."""
        hears = now.arrived & now.hears
        rows = [self._mean(trained[i], trained[hears[i]]) for i in range(len(trained))]
        return NodeStates(np.stack(rows))

    def _mean(self, own: Array, others: Array) -> Array:
        if len(others) < self._least:
            return own
        ordered = np.sort(others, axis=0)[self.num_byzantine : len(others) - self.num_byzantine]
        return np.asarray(np.vstack([ordered, own]).mean(axis=0))
