"""FedBuff (Nguyen 2022, arXiv:2106.06639): sites need not wait for each other."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from flame.core.arrays import mean, moved
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, change


@STRATEGIES.register("fedbuff")
@dataclass(frozen=True)
class FedBuff(Strategy):
    """Moves by ``server_learning_rate`` times the mean change of the first ``buffer`` sites.

    The others work on, from weights that are older by then: a change that is ``staleness`` rounds
    old counts 1 / sqrt(1 + staleness).
    """

    buffer: Annotated[int, Ge(1)] = 2
    server_learning_rate: Annotated[float, Gt(0)] = 1.0

    @property
    def enough(self) -> int:
        """How many sites a round waits for."""
        return self.buffer

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """With nobody stale and as many patients everywhere it is FedAvg."""
        old = [1 / np.sqrt(1 + u.staleness) / len(updates) for u in updates]
        like = [np.zeros(w.shape) for w in state.weights]
        step = mean([change(state, u) for u in updates], old, like)
        return State(
            moved(state.weights, step, self.server_learning_rate), state.memory, state.names
        )
