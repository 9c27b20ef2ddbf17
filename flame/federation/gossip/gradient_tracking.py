"""Gradient tracking (DIGing, Nedic 2017, arXiv:1607.03218)."""

from dataclasses import dataclass

import numpy as np

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_TRACKED, _LAST = "tracked", "last"


@METHODS.register("gradient-tracking")
@dataclass(frozen=True)
class GradientTracking(Method):
    """Each node follows an estimate of the mean of all nodes' steps, not its own step.

    With one gradient step a round, nodes that see different data reach the optimum of all, where
    D-PSGD of a constant step stays off it. Lost messages spoil the estimate.
    """

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """The sum of what is tracked is always that of the last steps."""
        there, nothing = now.participating[:, None], np.zeros_like(trained)
        last, tracked = (before.memory.get(name, nothing) for name in (_LAST, _TRACKED))
        step = np.where(there, trained - before.models, last)
        tracked = now.kept @ tracked + step - last
        models = now.kept @ before.models + np.where(there, tracked, 0.0)
        return NodeStates(models, {_TRACKED: tracked, _LAST: step})

    def numbers(self, size: int, now: Round) -> Array:
        """The model and what is tracked."""
        return super().numbers(2 * size, now)
