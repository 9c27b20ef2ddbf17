"""FedRep (Collins 2021, arXiv:2102.07078)."""

from dataclasses import dataclass

from flame.core.scores import Correction
from flame.federation.strategies.personal import Personal
from flame.federation.strategies.strategy import STRATEGIES, State


@STRATEGIES.register("fedrep")
@dataclass(frozen=True)
class FedRep(Personal):
    """The last layer is a site's own: it learns on the shared features, then they learn."""

    def kept(self, state: State) -> list[bool]:
        """Arrays of the last layer."""
        layers = [name.rpartition("/")[0] for name in state.names]
        return [layer == layers[-1] for layer in layers]

    def corrections(self, state: State, site: str) -> list[Correction]:
        """First the last layer alone, then all others."""
        head = self.kept(state)
        return [Correction(frozen=[not h for h in head]), Correction(frozen=head)]
