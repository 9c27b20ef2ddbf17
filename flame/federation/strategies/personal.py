"""Base of the strategies whose sites keep their own values of some of the weights."""

from dataclasses import dataclass

from flame.core.scores import Update, Weights
from flame.federation.strategies.fedavg import FedAvg
from flame.federation.strategies.strategy import State

_OWN = "own"
"""Prefix of the weights that each site sent last in ``State.memory``."""


@dataclass(frozen=True)
class Personal(FedAvg):
    """FedAvg of the shared arrays; each site keeps its own values of the other arrays.

    A centre that took no part in the training gets the mean of all arrays.
    """

    personal = True
    mean_suffices = False

    def kept(self, state: State) -> list[bool]:
        """Decide which arrays of the weights each site keeps its own values of.

        Args:
            state: the state, whose ``names`` identify the arrays.

        Returns:
            True for each array that sites keep, False for each array that they share.

        Raises:
            NotImplementedError: a subclass does not override the method.
        """
        raise NotImplementedError

    def warning(self, state: State) -> str:
        """Say that sites keep no array of this model, which makes the strategy FedAvg."""
        if not state.names or any(self.kept(state)):
            return ""
        return "sites kept no array of this model: the strategy was FedAvg under another name"

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Average as FedAvg, and remember the weights that each site sent last."""
        last_sent = {f"{_OWN}.{u.centre}": u.weights for u in updates}
        after = super().aggregate(state, updates)
        return State(after.weights, {**state.memory, **last_sent}, state.names)

    def weights_for(self, state: State, site: str) -> Weights:
        """Return the shared arrays of the server together with the site's own arrays."""
        last_sent = state.memory.get(f"{_OWN}.{site}", state.weights)
        arrays = zip(self.kept(state), last_sent, state.weights, strict=True)
        return [sent if kept else shared for kept, sent, shared in arrays]
