"""FedYogi (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass

import numpy as np

from flame.core.scores import Weights
from flame.federation.strategies.fedopt import FedOpt
from flame.federation.strategies.strategy import STRATEGIES


@STRATEGIES.register("fedyogi")
@dataclass(frozen=True)
class FedYogi(FedOpt):
    """Yogi at the server: v <- v - (1 - ``beta_2``) d^2 sign(v - d^2), with the mean change d.

    The size of a step of v does not depend on how far v is from d^2.
    Options are those of ``FedOpt``.

    Reference:
        Reddi 2021, arXiv:2003.00295.

    Example:
        >>> FedYogi(beta_2=0.9).second([np.array([1.0])], [np.array([2.0])])
        [array([1.4])]
    """

    def second(self, second: Weights, change: Weights) -> Weights:
        """Return v - (1 - ``beta_2``) d^2 sign(v - d^2), the next v."""
        return [
            v - (1 - self.beta_2) * c**2 * np.sign(v - c**2)
            for v, c in zip(second, change, strict=True)
        ]
