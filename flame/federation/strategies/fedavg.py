"""Federated averaging (McMahan 2017, arXiv:1602.05629)."""

from dataclasses import dataclass

from flame.core.arrays import mean
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shares


@STRATEGIES.register("fedavg")
@dataclass(frozen=True)
class FedAvg(Strategy):
    """The mean of the sites' weights, each weighted by its number of patients."""

    mean_suffices = True

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Sums in float64, so that the mean of equal weights is those weights."""
        each = [u.weights for u in updates]
        return State(mean(each, shares(updates), state.weights), state.memory, state.names)
