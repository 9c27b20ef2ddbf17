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
    """Adagrad at the server: v <- v + d^2, with the mean change d of the sites.

    Options are those of ``FedOpt``; ``beta_2`` is not used.

    Reference:
        Reddi 2021, arXiv:2003.00295.

    Example:
        >>> import numpy as np
        >>> FedAdagrad().second([np.array([1.0])], [np.array([2.0])])
        [array([5.])]
    """

    momentum: Annotated[float, Ge(0), Lt(1)] = 0.0

    def second(self, second: Weights, change: Weights) -> Weights:
        """Return v + d^2, the next v."""
        return [v + c**2 for v, c in zip(second, change, strict=True)]
