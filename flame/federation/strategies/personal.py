"""Base of the strategies whose sites keep some of the weights for themselves."""

from dataclasses import dataclass

from flame.core.scores import Update, Weights
from flame.federation.strategies.fedavg import FedAvg
from flame.federation.strategies.strategy import State

_OWN = "own"


@dataclass(frozen=True)
class Personal(FedAvg):
    """FedAvg of the shared arrays; each site keeps its own values of the other arrays.

    A centre that took no part in the training gets the mean of all arrays.
    """

    personal, mean_suffices = True, False

    def kept(self, state: State) -> list[bool]:
        """Return for each array of the weights whether sites keep it for themselves.

        Args:
            state: the state, whose ``names`` identify the arrays.

        Raises:
            NotImplementedError: a subclass does not override the method.
        """
        raise NotImplementedError

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """See ``Strategy``. FedAvg; the memory keeps the weights that each site sent last."""
        own = {f"{_OWN}.{u.centre}": u.weights for u in updates}
        after = super().aggregate(state, updates)
        return State(after.weights, {**state.memory, **own}, state.names)

    def weights_for(self, state: State, site: str) -> Weights:
        """See ``Strategy``. The shared arrays of the server and the site's own arrays."""
        own = state.memory.get(f"{_OWN}.{site}", state.weights)
        pairs = zip(self.kept(state), own, state.weights, strict=True)
        return [o if kept else shared for kept, o, shared in pairs]
