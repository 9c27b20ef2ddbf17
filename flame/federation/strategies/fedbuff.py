"""FedBuff (Nguyen 2022, arXiv:2106.06639): asynchronous averaging of the first sites."""

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
    """The mean change of the first ``buffer`` sites that finish; the others continue to train.

    w <- w + ``server_learning_rate`` mean_k d_k / sqrt(1 + s_k). Site k started from the weights
    that the server had s_k rounds ago, and changed them by d_k.

    Args:
        buffer: number of updates that a round waits for.
        server_learning_rate: step size of the server.

    Reference:
        Nguyen 2022, arXiv:2106.06639.

    Example:
        The change of 2 is 3 rounds old, so the server moves by 2 / sqrt(4).

        >>> began = [np.array([1.0])]
        >>> update = Update("a", [np.array([3.0])], 1, 0.0, 0.0, since=began, staleness=3)
        >>> FedBuff(buffer=1).aggregate(State([np.array([5.0])]), [update]).weights[0]
        array([6.])
    """

    buffer: Annotated[int, Ge(1)] = 2
    server_learning_rate: Annotated[float, Gt(0)] = 1.0

    @property
    def enough(self) -> int:
        """Number of updates that a round waits for."""
        return self.buffer

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average changes by staleness; it is FedAvg for fresh updates of equally large sites."""
        factors = [1 / np.sqrt(1 + u.staleness) / len(updates) for u in updates]
        like = [np.zeros(w.shape) for w in state.weights]
        step = mean([change(state, u) for u in updates], factors, like)
        return State(
            moved(state.weights, step, self.server_learning_rate), state.memory, state.names
        )
