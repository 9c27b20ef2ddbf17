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
    """Each site has a model of its own, held near everyone's by ``lambda_``, lambda of the paper.

    Everyone's is that of FedAvg. A centre that never took part gets that one.
    """

    personal, mean_suffices = True, False
    lambda_: Annotated[float, Ge(0)] = 0.1

    def weights_for(self, state: State, site: str) -> Weights:
        """The site's own model."""
        return state.memory.get(f"{_OWN}.{site}", state.weights)

    def corrections(self, state: State, site: str) -> list[Correction]:
        """The site's own model towards everyone's, then everyone's from where it is."""
        own = Correction(
            proximal=self.lambda_, towards=state.weights, start=self.weights_for(state, site)
        )
        return [own, Correction(start=state.weights)]

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """FedAvg of everyone's, with each site's own remembered."""
        own = {f"{_OWN}.{u.centre}": u.also[0] for u in updates if u.also}
        after = super().aggregate(state, updates)
        return State(after.weights, {**state.memory, **own}, state.names)
