"""Averaging with momentum at the server (Hsu 2019, arXiv:1909.06335)."""

from dataclasses import dataclass

from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, mean_change, moved

_VELOCITY = "velocity"


@STRATEGIES.register("fedavgm")
@dataclass(frozen=True)
class FedAvgM(Strategy):
    """Moves by ``rate`` times a running sum of mean changes, of which ``momentum`` is kept."""

    mean_suffices = True
    momentum: float = 0.9
    rate: float = 1.0

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """With no momentum and rate 1 it is FedAvg."""
        velocity = mean_change(state, updates)
        if _VELOCITY in state.memory:
            velocity = moved(velocity, state.memory[_VELOCITY], self.momentum)
        weights = moved(state.weights, velocity, self.rate)
        return State(weights, {**state.memory, _VELOCITY: velocity}, state.names)
