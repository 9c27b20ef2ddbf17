"""Gradient tracking (DIGing, Nedic 2017, arXiv:1607.03218)."""

from dataclasses import dataclass

from flame.federation.gossip.method import METHODS, Array, Method, Round, Swarm

_TRACKED, _LAST = "tracked", "last"


@METHODS.register("gradient-tracking")
@dataclass(frozen=True)
class GradientTracking(Method):
    """Each node follows an estimate of the mean of all nodes' steps, not its own step.

    With one gradient step a round, nodes that see different data reach the optimum of all, where
    D-PSGD of a constant step stays off it. Lost messages spoil the estimate.
    """

    def mix(self, before: Swarm, trained: Array, now: Round) -> Swarm:
        """The sum of what is tracked is always that of the last steps."""
        step = trained - before.models
        tracked = step
        if before.memory:
            tracked = now.kept @ before.memory[_TRACKED] + step - before.memory[_LAST]
        models = now.kept @ before.models + tracked
        return Swarm(models, {_TRACKED: tracked, _LAST: step})
