"""Push-sum with running sums (Hadjicostis 2016, 10.1109/TAC.2015.2471695).

For learning as in Assran 2019 (arXiv:1811.10792).
"""

from dataclasses import dataclass

import numpy as np

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_MASS, _OWED = "mass", "owed"


@METHODS.register("push-sum")
@dataclass(frozen=True)
class PushSum(Method):
    """For links of one direction, and for those that lose messages.

    A node splits what it has, model times mass and mass, evenly among itself and those that hear
    it, and sends the sum of all it ever sent: what was lost arrives with the next that does. Who
    is away is sent nothing and keeps what it has. Memory grows as links times weights.
    """

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Without training every node ends at the mean of all."""
        n, p = trained.shape
        memory = before.memory or {_MASS: np.ones((n, 1)), _OWED: np.zeros((n, n, p + 1))}
        mass = memory[_MASS]
        holds = np.hstack([before.models * mass + trained - before.models, mass])
        share = holds / (1 + now.hears.sum(axis=0))[:, None]
        owed = memory[_OWED] + np.where(now.hears[:, :, None], share, 0.0)
        arrived = (now.arrived & now.hears)[:, :, None]
        holds = share + np.where(arrived, owed, 0.0).sum(axis=1)
        mass = holds[:, -1:]
        return NodeStates(holds[:, :-1] / mass, {_MASS: mass, _OWED: np.where(arrived, 0.0, owed)})

    def numbers(self, size: int, now: Round) -> Array:
        """The model and its mass."""
        return super().numbers(size + 1, now)
