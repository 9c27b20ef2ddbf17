"""FedRep (Collins 2021, arXiv:2102.07078)."""

from dataclasses import dataclass

from flame.core.scores import Correction
from flame.federation.strategies.personal import Personal
from flame.federation.strategies.strategy import STRATEGIES, State


@STRATEGIES.register("fedrep")
@dataclass(frozen=True)
class FedRep(Personal):
    """FedAvg of the representation; every site keeps its own last layer.

    In each round a site trains the last layer with the other layers frozen, then the other layers
    with the last one frozen.

    Reference:
        Collins 2021, arXiv:2102.07078.

    Example:
        >>> FedRep().kept(State([], names=("dense/kernel", "dense_1/kernel", "dense_1/bias")))
        [False, True, True]
    """

    def kept(self, state: State) -> list[bool]:
        """Return for each array whether it belongs to the last layer."""
        layers = [name.rpartition("/")[0] for name in state.names]
        return [layer == layers[-1] for layer in layers]

    def corrections(self, state: State, site: str) -> list[Correction]:
        """Return corrections that train first the last layer alone, then all other layers."""
        head = self.kept(state)
        return [Correction(frozen=[not h for h in head]), Correction(frozen=head)]
