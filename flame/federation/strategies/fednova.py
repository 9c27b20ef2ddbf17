"""FedNova (Wang 2020, arXiv:2007.07481)."""

from dataclasses import dataclass

import numpy as np

from flame.core.arrays import mean, moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change, shares


@STRATEGIES.register("fednova")
@dataclass(frozen=True)
class FedNova(Strategy):
    """Changes are divided by the steps that made them: who steps more does not pull more."""

    plain_gradients = True

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """The mean change a step, times the mean number of steps; with equal steps FedAvg."""
        parts, steps = shares(updates), [max(u.steps, 1) for u in updates]
        effective = float(np.dot(parts, steps))
        like = [np.zeros(w.shape) for w in state.weights]
        each = [change(state, u) for u in updates]
        step = mean(each, [p / s for p, s in zip(parts, steps, strict=True)], like)
        return State(moved(state.weights, step, effective), state.memory, state.names)
