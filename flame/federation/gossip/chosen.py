"""Every gossip method, registered."""

from flame.federation.gossip import (  # noqa: F401
    alike,
    choco,
    clipped_gossip,
    dfedavgm,
    dpsgd,
    epidemic,
    gradient_tracking,
    neighbour_trimmed_mean,
    push_sum,
)
from flame.federation.gossip.method import METHODS

__all__ = ["METHODS"]
