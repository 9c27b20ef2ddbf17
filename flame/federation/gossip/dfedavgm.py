"""Decentralised FedAvg with momentum (after Sun 2021, arXiv:2104.11981)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Lt

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round

_VELOCITY = "velocity"


@METHODS.register("dfedavgm")
@dataclass(frozen=True)
class DFedAvgM(Method):
    """Heavy-ball ``momentum`` on what a node learns in a round, then the weighted mean.

    In the paper momentum runs within a round; here it is carried from round to round, as local
    training is any optimiser's.
    """

    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Without momentum it is D-PSGD."""
        velocity = before.memory.get(_VELOCITY, np.zeros_like(trained))
        learned = (trained != before.models).any(axis=1, keepdims=True)
        faster = self.momentum * velocity + trained - before.models
        velocity = np.where(learned, faster, 0.0)  # who is away stays where it is
        return NodeStates(now.kept @ (before.models + velocity), {_VELOCITY: velocity})
