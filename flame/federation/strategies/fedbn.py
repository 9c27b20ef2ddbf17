"""FedBN (Li 2021, arXiv:2102.07623)."""

from dataclasses import dataclass

from flame.federation.strategies.personal import Personal
from flame.federation.strategies.strategy import STRATEGIES, State


@STRATEGIES.register("fedbn")
@dataclass(frozen=True)
class FedBN(Personal):
    """Normalisation layers are a site's own, whatever their kind; all else is averaged."""

    def kept(self, state: State) -> list[bool]:
        """Arrays of layers that normalise."""
        return ["normalization" in name for name in state.names]
