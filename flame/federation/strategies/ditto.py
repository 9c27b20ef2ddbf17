"""Ditto (Li 2021, arXiv:2012.04221)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from flame.core.scores import Correction, Update, Weights
from flame.federation.strategies.fedavg import FedAvg
from flame.federation.strategies.strategy import STRATEGIES, State

_OWN = "own"


@STRATEGIES.register("ditto")
@dataclass(frozen=True)
class Ditto(FedAvg):
    """FedAvg of a global model, and for each site a personal model that is kept near it.

    A site minimises for its personal model its loss plus ``lambda_`` / 2 times the squared distance
    to the global model. It then trains the global model as in FedAvg. A centre that took no part in
    the training gets the global model.

    Args:
        lambda_: strength of the proximal term, lambda of the paper.

    Reference:
        Li 2021, arXiv:2012.04221.

    Example:
        >>> import numpy as np
        >>> personal = [np.array([5.0])]
        >>> update = Update("a", [np.array([2.0])], 1, loss=0.0, seconds=0.0, also=(personal,))
        >>> after = Ditto().aggregate(State([np.zeros(1)]), [update])
        >>> after.weights[0], Ditto().weights_for(after, "a")[0]
        (array([2.]), array([5.]))
    """

    personal, mean_suffices = True, False
    lambda_: Annotated[float, Ge(0)] = 0.1

    def weights_for(self, state: State, site: str) -> Weights:
        """See ``Strategy``. The site's personal model."""
        return state.memory.get(f"{_OWN}.{site}", state.weights)

    def corrections(self, state: State, site: str) -> list[Correction]:
        """See ``Strategy``. First for the personal model, then for the global one."""
        own = Correction(
            proximal=self.lambda_, towards=state.weights, start=self.weights_for(state, site)
        )
        return [own, Correction(start=state.weights)]

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """See ``Strategy``. FedAvg of the global model; the memory keeps the personal models."""
        own = {f"{_OWN}.{u.centre}": u.also[0] for u in updates if u.also}
        after = super().aggregate(state, updates)
        return State(after.weights, {**state.memory, **own}, state.names)
