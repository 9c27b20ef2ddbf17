"""What strategies share whose sites keep some of the weights as their own."""

from dataclasses import dataclass

from flame.core.scores import Update, Weights
from flame.federation.strategies.fedavg import FedAvg
from flame.federation.strategies.strategy import State

_OWN = "own"


@dataclass(frozen=True)
class Personal(FedAvg):
    """Averages what is shared; the other arrays of a site go on from its own last ones.

    A centre that never took part gets the mean of everything.
    """

    personal, mean_suffices = True, False

    def kept(self, state: State) -> list[bool]:
        """Which arrays are a site's own."""
        raise NotImplementedError

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """FedAvg, with what every site sent remembered."""
        own = {f"{_OWN}.{u.centre}": u.weights for u in updates}
        after = super().aggregate(state, updates)
        return State(after.weights, {**state.memory, **own}, state.names)

    def weights_for(self, state: State, site: str) -> Weights:
        """The shared arrays, and the site's own."""
        own = state.memory.get(f"{_OWN}.{site}", state.weights)
        pairs = zip(self.kept(state), own, state.weights, strict=True)
        return [o if kept else shared for kept, o, shared in pairs]
