"""Every stream learner, registered."""

from flame.streams.learners import (  # noqa: F401
    adaptive_fedavg,
    early_stop,
    elastic,
    evidence_gossip,
    feddrift,
    fine_tune,
    ifca,
    oracle,
    replay,
    reset_and_gate,
    window,
)
from flame.streams.learners.learner import LEARNERS

__all__ = ["LEARNERS"]
