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
    """Sites are drawn to the server's weights: ``mu`` / 2 times the squared distance is added."""

    mu: Annotated[float, Ge(0)] = 0.01

    def corrections(self, state: State, site: str) -> list[Correction]:
        """The proximal term."""
        return [Correction(proximal=self.mu, towards=state.weights)]
