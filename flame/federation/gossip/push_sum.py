"""Push-sum with running sums (Hadjicostis 2016, 10.1109/TAC.2015.2471695).

It averages models as in Assran 2019 (arXiv:1811.10792).
"""

from dataclasses import dataclass

import numpy as np

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_MASS = "mass"
"""Name of the masses (n, 1) in ``NodeStates.memory``."""
_OWED = "owed"
"""Name of the sums (n, n, p + 1) in ``NodeStates.memory`` that no message has delivered yet."""


@METHODS.register("push-sum")
@dataclass(frozen=True)
class PushSum(Method):
    """Averages over one-way links, and over links that lose messages.

    A node has a mass m and a value m x; its model x is the value divided by the mass. It splits
    both evenly among itself and the nodes that receive from it. A message holds the sum of
    everything that the link should have carried so far. A lost part therefore arrives with the next
    message. A node that is away receives nothing and keeps its mass and value. The memory has an
    array (n, n, p + 1).

    Reference:
        Hadjicostis 2016, 10.1109/TAC.2015.2471695; Assran 2019, arXiv:1811.10792.

    Example:
        Node 0 does not receive the message of node 1. It halves value and mass, so x stays 0.

        >>> half = np.full((2, 2), 0.5)
        >>> arrived = np.array([[True, False], [True, True]])
        >>> now = Round(half, arrived, np.ones(2, bool), np.random.default_rng(0))
        >>> models = np.array([[0.0], [4.0]])
        >>> PushSum().mix(NodeStates(models), models, now).models.tolist()
        [[0.0], [2.0]]
    """

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Exchange mass and value; without training all nodes converge to the mean model."""
        n, p = trained.shape
        memory = before.memory or {_MASS: np.ones((n, 1)), _OWED: np.zeros((n, n, p + 1))}
        mass = memory[_MASS]
        states = np.hstack([before.models * mass + trained - before.models, mass])
        share = states / (1 + now.hears.sum(axis=0))[:, None]
        owed = memory[_OWED] + np.where(now.hears[:, :, None], share, 0.0)
        arrived = (now.arrived & now.hears)[:, :, None]
        states = share + np.where(arrived, owed, 0.0).sum(axis=1)
        mass = states[:, -1:]
        return NodeStates(states[:, :-1] / mass, {_MASS: mass, _OWED: np.where(arrived, 0.0, owed)})

    def numbers(self, size: int, now: Round) -> Array:
        """Count the numbers of each node, which sends its value and its mass."""
        return super().numbers(size + 1, now)
