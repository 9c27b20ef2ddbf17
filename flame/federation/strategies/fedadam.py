"""FedAdam (Reddi 2021, arXiv:2003.00295)."""

from dataclasses import dataclass

from flame.core.scores import Weights
from flame.federation.strategies.fedopt import FedOpt
from flame.federation.strategies.strategy import STRATEGIES


@STRATEGIES.register("fedadam")
@dataclass(frozen=True)
class FedAdam(FedOpt):
    """Adam at the server: v <- ``beta_2`` v + (1 - ``beta_2``) d^2, with the mean change d.

    Options are those of ``FedOpt``. m and v have no bias correction for their start.

    Reference:
        Reddi 2021, arXiv:2003.00295.

    Example:
        >>> import numpy as np
        >>> FedAdam(beta_2=0.9).second([np.array([1.0])], [np.array([2.0])])
        [array([1.3])]
    """

    def second(self, second: Weights, change: Weights) -> Weights:
        """Return ``beta_2`` v + (1 - ``beta_2``) d^2, the next v."""
        beta_2 = self.beta_2
        return [beta_2 * v + (1 - beta_2) * c**2 for v, c in zip(second, change, strict=True)]
