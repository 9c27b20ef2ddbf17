"""Federated averaging (McMahan 2017, arXiv:1602.05629)."""

from dataclasses import dataclass

from flame.core.arrays import mean
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shares


@STRATEGIES.register("fedavg")
@dataclass(frozen=True)
class FedAvg(Strategy):
    """The mean of the sites' weights, weighted by their numbers of patients.

    w <- sum_k (n_k / n) w_k, with n_k patients at site k and n in all.

    Reference:
        McMahan 2017, arXiv:1602.05629.

    Example:
        >>> import numpy as np
        >>> updates = [
        ...     Update("a", [np.array([1.0])], patients=3, loss=0.0, seconds=0.0),
        ...     Update("b", [np.array([5.0])], patients=1, loss=0.0, seconds=0.0),
        ... ]
        >>> FedAvg().aggregate(State([np.zeros(1)]), updates).weights[0]
        array([2.])
    """

    mean_suffices = True

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average in float64, so that the mean of equal weights equals them exactly."""
        trained = [u.weights for u in updates]
        return State(mean(trained, shares(updates), state.weights), state.memory, state.names)
