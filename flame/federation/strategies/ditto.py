"""Ditto (Li 2021, arXiv:2012.04221)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from flame.core.scores import Correction, Update, Weights
from flame.federation.strategies.fedavg import FedAvg
from flame.federation.strategies.strategy import STRATEGIES, State

_PERSONAL = "own"
"""Prefix of the sites' personal models in ``State.memory``."""


@STRATEGIES.register("ditto")
@dataclass(frozen=True)
class Ditto(FedAvg):
    """FedAvg of a global model, and for each site a personal model that stays near it.

    A site trains its personal model on its loss plus ``lambda_`` / 2 times the squared distance to
    the global model. It then trains the global model as in FedAvg. A centre that took no part in
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

    personal = True
    mean_suffices = False
    lambda_: Annotated[float, Ge(0)] = 0.1

    def weights_for(self, state: State, site: str) -> Weights:
        """Return the site's personal model."""
        return state.memory.get(f"{_PERSONAL}.{site}", state.weights)

    def corrections(self, state: State, site: str) -> list[Correction]:
        """Return the corrections of the personal model and of the global model, in that order."""
        personal = Correction(
            proximal=self.lambda_, towards=state.weights, start=self.weights_for(state, site)
        )
        return [personal, Correction(start=state.weights)]

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average the global model as FedAvg, and remember the personal models."""
        personal = {f"{_PERSONAL}.{u.centre}": u.also[0] for u in updates if u.also}
        after = super().aggregate(state, updates)
        return State(after.weights, {**state.memory, **personal}, state.names)
