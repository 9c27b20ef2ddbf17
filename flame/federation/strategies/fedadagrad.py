"""FedAdagrad (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt

from flame.core.scores import Weights
from flame.federation.strategies.fedopt import FedOpt
from flame.federation.strategies.strategy import STRATEGIES


@STRATEGIES.register("fedadagrad")
@dataclass(frozen=True)
class FedAdagrad(FedOpt):
    """v is the sum of all squared changes."""

    momentum: Annotated[float, Ge(0), Lt(1)] = 0.0

    def second(self, second: Weights, change: Weights) -> Weights:
        """As Adagrad has it."""
        return [v + c**2 for v, c in zip(second, change, strict=True)]
