"""Federated averaging (McMahan 2017, arXiv:1602.05629)."""

import numpy as np

from flame.core.scores import Update
from flame.federation.strategy import STRATEGIES, State


class FedAvg:
    """The mean of the sites' weights, each weighted by its number of patients."""

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Sums in float64, so that the mean of equal weights is those weights."""
        total = sum(u.patients for u in updates)
        mean = [
            sum(
                (np.asarray(u.weights[i], np.float64) * (u.patients / total) for u in updates),
                np.zeros(layer.shape),
            ).astype(layer.dtype)
            for i, layer in enumerate(state.weights)
        ]
        return State(mean, state.memory)


STRATEGIES.register("fedavg")(FedAvg())
