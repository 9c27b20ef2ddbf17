"""FedDyn (Acar 2021, arXiv:2111.04263)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt

from flame.core.arrays import mean, moved
from flame.core.scores import Correction, Update, Weights
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change

_PULL = "pull"
"""Prefix of the sites' g_k in ``State.memory``."""


@STRATEGIES.register("feddyn")
@dataclass(frozen=True)
class FedDyn(Strategy):
    """Regularises each site so that its optimum becomes that of the federation.

    A site minimises its loss - <g_k, w> + ``alpha`` / 2 times the squared distance to the server's
    weights. When training changes its weights by d_k, g_k <- g_k - ``alpha`` d_k. The server takes
    w <- mean_k w_k - mean_k g_k / ``alpha``. The second mean is over all sites that have sent an
    update in any round.

    Args:
        alpha: strength of the regulariser.

    Reference:
        Acar 2021, arXiv:2111.04263.

    Example:
        g is -0.5 * 2 = -1, so the server moves on from 2 by 1 / 0.5.

        >>> update = Update("a", [np.array([2.0])], patients=1, loss=0.0, seconds=0.0)
        >>> FedDyn(alpha=0.5).aggregate(State([np.zeros(1)]), [update]).weights[0]
        array([4.])
    """

    alpha: Annotated[float, Gt(0)] = 0.01

    def corrections(self, state: State, site: str) -> list[Correction]:
        """Return the proximal term, and the linear term -g_k of the site."""
        linear = [-p for p in self._pull(state, site)]
        return [Correction(linear=linear, proximal=self.alpha, towards=state.weights)]

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average the sites with equal weights, and correct the mean by that of the g_k."""
        memory = dict(state.memory)
        sites = len(updates)
        for update in updates:
            memory[f"{_PULL}.{update.centre}"] = moved(
                self._pull(state, update.centre), change(state, update), -self.alpha
            )
        like = self._pull(state, "")
        pulls = [v for n, v in memory.items() if n.startswith(f"{_PULL}.")]
        mean_pull = mean(pulls, [1 / len(pulls)] * len(pulls), like)
        mean_weights = mean([u.weights for u in updates], [1 / sites] * sites, state.weights)
        return State(moved(mean_weights, mean_pull, -1 / self.alpha), memory, state.names)

    def _pull(self, state: State, site: str) -> Weights:
        zeros = [np.zeros(w.shape) for w in state.weights]
        return state.memory.get(f"{_PULL}.{site}", zeros)
