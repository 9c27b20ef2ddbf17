"""FedBN (Li 2021, arXiv:2102.07623)."""

from dataclasses import dataclass

from flame.federation.strategies.personal import Personal
from flame.federation.strategies.strategy import STRATEGIES, State


@STRATEGIES.register("fedbn")
@dataclass(frozen=True)
class FedBN(Personal):
    """FedAvg, except that every site keeps its own normalisation layers, of any kind.

    An array belongs to such a layer if its name contains ``normalization``.

    Reference:
        Li 2021, arXiv:2102.07623.

    Example:
        >>> FedBN().kept(State([], names=("dense/kernel", "group_normalization/gamma")))
        [False, True]
    """

    def kept(self, state: State) -> list[bool]:
        """Return for each array whether it belongs to a normalisation layer."""
        return ["normalization" in name for name in state.names]
