"""D-PSGD (Lian 2017, arXiv:1705.09056)."""

from dataclasses import dataclass

from flame.federation.gossip.method import METHODS, Array, Method, Round, Swarm


@METHODS.register("dpsgd")
@dataclass(frozen=True)
class DPSGD(Method):
    """The weighted mean of those that are heard and of itself."""

    def mix(self, before: Swarm, trained: Array, now: Round) -> Swarm:
        """From one start and on a full graph it is FedAvg with equal shares."""
        return Swarm(now.kept @ trained)
