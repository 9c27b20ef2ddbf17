"""Averaging with momentum at the server (Hsu 2019, arXiv:1909.06335)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Lt

from flame.core.arrays import moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, mean_change

_VELOCITY = "velocity"


@STRATEGIES.register("fedavgm")
@dataclass(frozen=True)
class FedAvgM(Strategy):
    """Moves by ``server_learning_rate`` times a sum of mean changes that ``momentum`` decays."""

    mean_suffices = True
    momentum: Annotated[float, Ge(0), Lt(1)] = 0.9
    server_learning_rate: Annotated[float, Gt(0)] = 1.0

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """With no momentum and rate 1 it is FedAvg."""
        velocity = mean_change(state, updates)
        if _VELOCITY in state.memory:
            velocity = moved(velocity, state.memory[_VELOCITY], self.momentum)
        weights = moved(state.weights, velocity, self.server_learning_rate)
        return State(weights, {**state.memory, _VELOCITY: velocity}, state.names)
