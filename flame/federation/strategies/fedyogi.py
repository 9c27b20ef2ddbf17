"""FedYogi (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass

import numpy as np

from flame.core.scores import Weights
from flame.federation.strategies.fedopt import FedOpt
from flame.federation.strategies.strategy import STRATEGIES


@STRATEGIES.register("fedyogi")
@dataclass(frozen=True)
class FedYogi(FedOpt):
    """v moves towards squared changes by steps that do not depend on how far it is from them."""

    def second(self, second: Weights, change: Weights) -> Weights:
        """As Yogi has it."""
        return [
            v - (1 - self.beta_2) * c**2 * np.sign(v - c**2)
            for v, c in zip(second, change, strict=True)
        ]
