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

    Of each parameter, a node leaves out the ``num_byzantine`` highest and the ``num_byzantine``
    lowest values of its neighbours. A node that receives 2 num_byzantine models or fewer in a round
    keeps its own model.

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
        """Check that at least one node can receive enough models for a trimmed mean.

        Args:
            heard: number (n,) of other nodes that each node receives from.

        Raises:
            BadInput: no node receives from more than 2 num_byzantine others; never if that is 0.
        """
        if heard.max() < self._least:
            raise BadInput(
                f"gossip.method 'neighbour-trimmed-mean' with num_byzantine = {self.num_byzantine} "
                f"needs nodes that receive from {self._least} others or more, and no node receives "
                f"from more than {heard.max()}: choose a topology with more links, or a lower "
                "num_byzantine"
            )

    @property
    def _least(self) -> int:
        return 2 * self.num_byzantine + (self.num_byzantine > 0)

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Take trimmed means; with num_byzantine = 0 these are means of own and received models."""
        received = now.arrived & now.hears
        rows = [self._mean(trained[i], trained[received[i]]) for i in range(len(trained))]
        return NodeStates(np.stack(rows))

    def _mean(self, model: Array, received: Array) -> Array:
        if len(received) < self._least:
            return model
        trimmed = np.sort(received, axis=0)[self.num_byzantine : len(received) - self.num_byzantine]
        return np.asarray(np.vstack([trimmed, model]).mean(axis=0))
