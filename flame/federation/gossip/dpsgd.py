"""Decentralised parallel SGD (Lian 2017, arXiv:1705.09056)."""

from dataclasses import dataclass

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round


@METHODS.register("dpsgd")
@dataclass(frozen=True)
class DPSGD(Method):
    """The weighted mean of a node's own model and the models that it receives.

    x_i <- sum_j W_ij x_j.

    Reference:
        D-PSGD, Lian 2017, arXiv:1705.09056.

    Example:
        >>> import numpy as np
        >>> half = np.full((2, 2), 0.5)
        >>> now = Round(half, half > 0, np.ones(2, bool), np.random.default_rng(0))
        >>> trained = np.array([[0.0], [4.0]])
        >>> DPSGD().mix(NodeStates(trained), trained, now).models.tolist()
        [[2.0], [2.0]]
    """

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """Take weighted means; from equal models on a full graph it is FedAvg with equal shares."""
        return NodeStates(now.kept @ trained)
