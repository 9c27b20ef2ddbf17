"""Averages of models over the nodes that hold them; those of a family share a representation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flame.federation.gossip.method import Round
from flame.streams.learners.evidence.bank import Slot
from flame.streams.networks.base import Array

_NO_BATCH = 1e-6
"""What a node that holds a model without a batch of it counts: it passes the model on."""


def averaged(
    now: Round, slots: Sequence[Slot], trained: Sequence[Array], counts: NDArray[np.int_], body: int
) -> list[Array]:
    """Models (n, size) of each slot: means over who is heard and holds it, by counts (n, slot).

    The first ``body`` parameters are means over all slots that a node holds and knows to be of one
    family, as FedRep (Collins 2021, arXiv:2102.07078) shares a representation among clients.
    """
    sums, totals = [], []
    for slot, models, count in zip(slots, trained, counts.T, strict=True):
        heard = np.where(now.arrived & slot.held, now.weights, 0) * np.maximum(count, _NO_BATCH)
        sums.append(heard @ models)
        totals.append(heard.sum(axis=1, keepdims=True))
    found = []
    for slot, added, total in zip(slots, sums, totals, strict=True):
        kin = [((slot.family == other.family) & other.held)[:, None] for other in slots]
        mean = added / np.where(total > 0, total, 1)
        whole = sum(k * t for k, t in zip(kin, totals, strict=True))
        shared = sum(k * s[:, :body] for k, s in zip(kin, sums, strict=True))
        mean[:, :body] = shared / np.where(whole > 0, whole, 1)
        found.append(mean)
    return found
