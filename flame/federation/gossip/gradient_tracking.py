"""Gradient tracking (DIGing, Nedic 2017, arXiv:1607.03218)."""

from dataclasses import dataclass

import numpy as np

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_TRACKED = "tracked"
"""Name of the estimates y in ``NodeStates.memory``."""
_LAST = "last"
"""Name of the steps g of the last round in ``NodeStates.memory``."""


@METHODS.register("gradient-tracking")
@dataclass(frozen=True)
class GradientTracking(Method):
    """Each node moves by an estimate of the mean step of all nodes, not by its own step.

    With the step g_i of node i: y_i <- sum_j W_ij y_j + g_i - g_i of the last round, then
    x_i <- sum_j W_ij x_j + y_i. The x_j are the models before training.

    With one gradient step a round, nodes with different data reach the optimum of all data; D-PSGD
    with a constant step size does not. Lost messages bias the estimate.

    Reference:
        DIGing, Nedic 2017, arXiv:1607.03218.

    Example:
        The steps are 0 and 4. From the second round on both nodes move by the mean of 2.

        >>> half = np.full((2, 2), 0.5)
        >>> now = Round(half, half > 0, np.ones(2, bool), np.random.default_rng(0))
        >>> method = GradientTracking()
        >>> nodes = NodeStates(np.zeros((2, 1)))
        >>> for _ in range(2):
        ...     nodes = method.mix(nodes, nodes.models + [[0.0], [4.0]], now)
        >>> nodes.models.tolist()
        [[4.0], [4.0]]
    """

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Move by the y_i, whose sum is that of the nodes' last steps if no message is lost."""
        participating = now.participating[:, None]
        zeros = np.zeros_like(trained)
        last = before.memory.get(_LAST, zeros)
        tracked = before.memory.get(_TRACKED, zeros)
        step = np.where(participating, trained - before.models, last)
        tracked = now.kept @ tracked + step - last
        models = now.kept @ before.models + np.where(participating, tracked, 0.0)
        return NodeStates(models, {_TRACKED: tracked, _LAST: step})

    def numbers(self, size: int, now: Round) -> Array:
        """Count the numbers of each node, which sends its model and its estimate y_i."""
        return super().numbers(2 * size, now)
