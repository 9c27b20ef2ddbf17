"""SCAFFOLD (Karimireddy 2020, arXiv:1910.06378)."""

from dataclasses import dataclass

import numpy as np

from flame.core.arrays import mean, moved
from flame.core.scores import Correction, Update, Weights
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change, mean_change

_CONTROL = "control"


@STRATEGIES.register("scaffold")
@dataclass(frozen=True)
class Scaffold(Strategy):
    """Control variates take out how a site's gradients differ from everyone's.

    A site's new variate is what its mean gradient was (option II of the paper), which its update
    tells: it takes plain steps of ``learning_rate``, the one that sites train with.
    """

    plain_gradients = True
    learning_rate: float = 0.0

    def corrections(self, state: State, site: str) -> list[Correction]:
        """Everyone's variate less the site's own."""
        own, all_ = self._control(state, site), self._control(state, "")
        return [Correction(linear=[a - o for a, o in zip(all_, own, strict=True)])]

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """The mean of the weights, and variates from how far each site moved."""
        memory = dict(state.memory)
        everyone = self._control(state, "")
        for update in updates:
            steps = max(update.steps, 1) * self.learning_rate
            own = self._control(state, update.centre)
            memory[f"{_CONTROL}.{update.centre}"] = [
                o - e - c / steps
                for o, e, c in zip(own, everyone, change(state, update), strict=True)
            ]
        controls = [
            v for n, v in memory.items() if n.startswith(f"{_CONTROL}.") and n != f"{_CONTROL}."
        ]
        memory[f"{_CONTROL}."] = mean(controls, [1 / len(controls)] * len(controls), everyone)
        return State(moved(state.weights, mean_change(state, updates)), memory, state.names)

    def _control(self, state: State, site: str) -> Weights:
        zeros = [np.zeros(w.shape) for w in state.weights]
        return state.memory.get(f"{_CONTROL}.{site}", zeros)
