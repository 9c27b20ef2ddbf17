"""SCAFFOLD (Karimireddy 2020, arXiv:1910.06378)."""

from dataclasses import dataclass

import numpy as np

from flame.core.arrays import mean, moved
from flame.core.scores import Correction, Update, Weights
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change, mean_change

_CONTROL = "control"
"""Prefix of control variates in ``State.memory``: ``control.SITE`` is c_k, ``control.`` is c."""


@STRATEGIES.register("scaffold")
@dataclass(frozen=True)
class Scaffold(Strategy):
    """Corrects each site's gradients by how they differ from those of all sites.

    Site k adds c - c_k to its gradients; c_k is its control variate. When training changes its
    weights by d_k in t_k steps of the learning rate r, c_k <- c_k - c - d_k / (t_k r), which is its
    mean gradient (option II of the paper). c is the mean of c_k over all sites that have sent an
    update in any round. The weights are averaged by numbers of patients.

    Args:
        learning_rate: learning rate r of the sites; ``open_strategy`` sets it.

    Reference:
        Karimireddy 2020, arXiv:1910.06378.

    Example:
        The mean gradients are 5 and -5, so site a is corrected by 0 - 5.

        >>> strategy = Scaffold(learning_rate=0.1)
        >>> updates = [
        ...     Update("a", [np.array([-1.0])], patients=1, loss=0.0, seconds=0.0, steps=2),
        ...     Update("b", [np.array([1.0])], patients=1, loss=0.0, seconds=0.0, steps=2),
        ... ]
        >>> after = strategy.aggregate(State([np.zeros(1)]), updates)
        >>> strategy.corrections(after, "a")[0].linear
        [array([-5.])]
    """

    plain_gradients = True
    learning_rate: float = 0.0

    def corrections(self, state: State, site: str) -> list[Correction]:
        """Return the linear term c - c_k."""
        site_control = self._control(state, site)
        mean_control = self._control(state, "")
        linear = [m - s for m, s in zip(mean_control, site_control, strict=True)]
        return [Correction(linear=linear)]

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average the weights by numbers of patients, and update the control variates."""
        memory = dict(state.memory)
        mean_control = self._control(state, "")
        for update in updates:
            length = max(update.steps, 1) * self.learning_rate
            site_control = self._control(state, update.centre)
            memory[f"{_CONTROL}.{update.centre}"] = [
                s - m - c / length
                for s, m, c in zip(site_control, mean_control, change(state, update), strict=True)
            ]
        controls = [
            v for n, v in memory.items() if n.startswith(f"{_CONTROL}.") and n != f"{_CONTROL}."
        ]
        memory[f"{_CONTROL}."] = mean(controls, [1 / len(controls)] * len(controls), mean_control)
        return State(moved(state.weights, mean_change(state, updates)), memory, state.names)

    def _control(self, state: State, site: str) -> Weights:
        zeros = [np.zeros(w.shape) for w in state.weights]
        return state.memory.get(f"{_CONTROL}.{site}", zeros)
