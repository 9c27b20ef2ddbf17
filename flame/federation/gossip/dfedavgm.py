"""Decentralised FedAvg with momentum (after Sun 2021, arXiv:2104.11375)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_VELOCITY = "velocity"
"""Name of v in ``NodeStates.memory``."""


@METHODS.register("dfedavgm")
@dataclass(frozen=True)
class DFedAvgM(Method):
    """Heavy-ball momentum on the change d_i of a node's training, then the weighted mean.

    v_i <- ``momentum`` v_i + d_i, then x_i <- sum_j W_ij (x_j + v_j).

    In the paper the momentum runs within a round, where it is a matter of the local optimiser: with
    ``dpsgd`` and a local optimiser that has momentum, training is that of the paper. Here momentum
    is carried from round to round; with Adam as local optimiser such steps are too large.

    Args:
        momentum: share of the velocity v that is kept each round, 0 to below 1.

    Reference:
        After Sun 2021, arXiv:2104.11375.

    Example:
        Both nodes change by 1 in both rounds, so v is 1 and then 1.5.

        >>> half = np.full((2, 2), 0.5)
        >>> now = Round(half, half > 0, np.ones(2, bool), np.random.default_rng(0))
        >>> method = DFedAvgM(momentum=0.5)
        >>> nodes = NodeStates(np.zeros((2, 1)))
        >>> for _ in range(2):
        ...     nodes = method.mix(nodes, nodes.models + 1, now)
        >>> nodes.models.tolist()
        [[2.5], [2.5]]
    """

    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Move by the velocity and take the weighted mean; without momentum it is D-PSGD."""
        velocity = before.memory.get(_VELOCITY, np.zeros_like(trained))
        has_trained = (trained != before.models).any(axis=1, keepdims=True)
        updated = self.momentum * velocity + trained - before.models
        velocity = np.where(has_trained, updated, 0.0)  # a node that did not train has none
        return NodeStates(now.kept @ (before.models + velocity), {_VELOCITY: velocity})
