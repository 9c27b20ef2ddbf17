"""FedProx (Li 2020, arXiv:1812.06127)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from flame.core.scores import Correction
from flame.federation.strategies.fedavg import FedAvg
from flame.federation.strategies.strategy import STRATEGIES, State


@STRATEGIES.register("fedprox")
@dataclass(frozen=True)
class FedProx(FedAvg):
    """FedAvg with a proximal term that keeps the sites near the server's weights.

    A site minimises its loss plus ``mu`` / 2 times the squared distance to the server's weights.

    Args:
        mu: strength of the proximal term; 0 is FedAvg.

    Reference:
        Li 2020, arXiv:1812.06127.

    Example:
        >>> (correction,) = FedProx(mu=0.1).corrections(State([]), "a")
        >>> correction.proximal
        0.1
    """

    mu: Annotated[float, Ge(0)] = 0.01

    def corrections(self, state: State, site: str) -> list[Correction]:
        """Return the proximal term towards the server's weights."""
        return [Correction(proximal=self.mu, towards=state.weights)]
