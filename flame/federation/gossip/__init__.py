"""Peer-to-peer learning: topologies, gossip methods and the rounds of a network."""

from flame.federation.gossip import (  # noqa: F401  (they register themselves)
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
