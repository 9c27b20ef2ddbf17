"""Push-sum with running sums (Hadjicostis 2016, 10.1109/TAC.2015.2471695).

It averages models as in Assran 2019 (arXiv:1811.10792).
"""

from dataclasses import dataclass

import numpy as np

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_MASS, _OWED = "mass", "owed"


@METHODS.register("push-sum")
@dataclass(frozen=True)
class PushSum(Method):
    """Averages over links of one direction, and over links that lose messages.

    A node has a mass m and a value m x. It splits both evenly among itself and the nodes that
    receive from it. A message holds the sum of everything that the link should have carried so far,
    so that a lost part arrives with the next message that gets through. x is value over mass. A
    node that is away receives nothing and keeps what it has. The memory has an array (n, n, p + 1).

    Reference:
        Hadjicostis 2016, 10.1109/TAC.2015.2471695; Assran 2019, arXiv:1811.10792.

    Example:
        Node 0 does not receive the message of node 1. It halves value and mass, so x stays 0.

        >>> half, arrived = np.full((2, 2), 0.5), np.array([[True, False], [True, True]])
        >>> now = Round(half, arrived, np.ones(2, bool), np.random.default_rng(0))
        >>> models = np.array([[0.0], [4.0]])
        >>> PushSum().mix(NodeStates(models), models, now).models.tolist()
        [[0.0], [2.0]]
    """

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """See ``Method``. Without training all nodes converge to the mean of their models."""
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
        """See ``Method``. A node sends its value and its mass."""
        return super().numbers(size + 1, now)
