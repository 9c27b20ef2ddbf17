"""FedNova (Wang 2020, arXiv:2007.07481)."""

from dataclasses import dataclass

import numpy as np

from flame.core.arrays import mean, moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change, shares


@STRATEGIES.register("fednova")
@dataclass(frozen=True)
class FedNova(Strategy):
    """Averages changes per step, so that a site that takes more steps has no more influence.

    w <- w + (sum_k p_k t_k) (sum_k p_k d_k / t_k), where site k has the share p_k of the patients
    and changed its weights by d_k in t_k steps.

    Reference:
        Wang 2020, arXiv:2007.07481.

    Example:
        FedAvg would move to 0.5.

        >>> updates = [
        ...     Update("a", [np.array([1.0])], patients=1, loss=0.0, seconds=0.0, steps=1),
        ...     Update("b", [np.array([0.0])], patients=1, loss=0.0, seconds=0.0, steps=3),
        ... ]
        >>> FedNova().aggregate(State([np.zeros(1)]), updates).weights[0]
        array([1.])
    """

    plain_gradients = True

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average the changes per step; with equal numbers of steps it is FedAvg."""
        patient_shares = shares(updates)
        steps = [max(u.steps, 1) for u in updates]
        mean_steps = float(np.dot(patient_shares, steps))
        like = [np.zeros(w.shape) for w in state.weights]
        changes = [change(state, u) for u in updates]
        step = mean(changes, [p / s for p, s in zip(patient_shares, steps, strict=True)], like)
        return State(moved(state.weights, step, mean_steps), state.memory, state.names)
