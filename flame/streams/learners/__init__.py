"""Learners of streams that drift; each module registers its own."""

from flame.streams.learners import (  # noqa: F401  (they register themselves)
    adaptive_fedavg,
    adaptive_window,
    dac,
    dcfcl,
    early_stop,
    elastic,
    evidence_gossip,
    facade,
    feddrift,
    fedrc,
    fine_tune,
    ifca,
    majority,
    oracle,
    replay,
    reset_and_gate,
    window,
)
