"""FedAdam (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass

from flame.core.scores import Weights
from flame.federation.strategies.fedopt import FedOpt
from flame.federation.strategies.strategy import STRATEGIES


@STRATEGIES.register("fedadam")
@dataclass(frozen=True)
class FedAdam(FedOpt):
    """v is a running mean of squared changes, of which ``beta_2`` is kept."""

    def second(self, second: Weights, change: Weights) -> Weights:
        """As Adam has it, without a correction of the start."""
        kept = self.beta_2
        return [kept * v + (1 - kept) * c**2 for v, c in zip(second, change, strict=True)]
