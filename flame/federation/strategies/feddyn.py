"""FedDyn (Acar 2021, arXiv:2111.04263)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt

from flame.core.arrays import mean, moved
from flame.core.scores import Correction, Update, Weights
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change

_PULL = "pull"


@STRATEGIES.register("feddyn")
@dataclass(frozen=True)
class FedDyn(Strategy):
    """A regulariser of each site that follows it, so that its own optimum becomes everyone's.

    A site's objective has ``alpha`` / 2 times the squared distance to the server's weights added,
    and a linear term that remembers how far it was drawn away before.
    """

    alpha: Annotated[float, Gt(0)] = 0.01

    def corrections(self, state: State, site: str) -> list[Correction]:
        """The proximal term, and what the site remembers."""
        linear = [-p for p in self._pull(state, site)]
        return [Correction(linear=linear, proximal=self.alpha, towards=state.weights)]

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """The mean of the weights, moved on by the mean of what sites remember."""
        memory, sites = dict(state.memory), len(updates)
        for update in updates:
            memory[f"{_PULL}.{update.centre}"] = moved(
                self._pull(state, update.centre), change(state, update), -self.alpha
            )
        like = self._pull(state, "")
        pulls = [v for n, v in memory.items() if n.startswith(f"{_PULL}.")]
        together = mean(pulls, [1 / len(pulls)] * len(pulls), like)
        average = mean([u.weights for u in updates], [1 / sites] * sites, state.weights)
        return State(moved(average, together, -1 / self.alpha), memory, state.names)

    def _pull(self, state: State, site: str) -> Weights:
        zeros = [np.zeros(w.shape) for w in state.weights]
        return state.memory.get(f"{_PULL}.{site}", zeros)
