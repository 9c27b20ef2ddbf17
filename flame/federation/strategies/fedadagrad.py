"""FedAdagrad (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass

from flame.core.scores import Weights
from flame.federation.strategies.fedopt import FedOpt
from flame.federation.strategies.strategy import STRATEGIES


@STRATEGIES.register("fedadagrad")
@dataclass(frozen=True)
class FedAdagrad(FedOpt):
    """v is the sum of all squared changes."""

    momentum: float = 0.0

    def second(self, second: Weights, change: Weights) -> Weights:
        """As Adagrad has it."""
        return [v + c**2 for v, c in zip(second, change, strict=True)]
