"""Averages of models over the nodes that hold them; those of a backbone share a representation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flame.federation.gossip.method import Round
from flame.streams.learners.evidence.bank import BankEntry
from flame.streams.networks.base import Array

_NO_BATCH = 1e-6
"""What a node that holds a model without a batch of it counts: it passes the model on."""


def averaged(
    now: Round,
    entries: Sequence[BankEntry],
    trained: Sequence[Array],
    counts: NDArray[np.int_],
    body: int,
) -> list[Array]:
    """Models (n, size) of each entry: means over who is heard and holds it, by counts (n, entry).

    The first ``body`` parameters are means over all entries that a node holds and knows to share a
    backbone, as FedRep (Collins 2021, arXiv:2102.07078) shares a representation among clients.
    """
    sums, totals = [], []
    for entry, models, count in zip(entries, trained, counts.T, strict=True):
        heard = np.where(now.arrived & entry.held, now.weights, 0) * np.maximum(count, _NO_BATCH)
        sums.append(heard @ models)
        totals.append(heard.sum(axis=1, keepdims=True))
    found = []
    for entry, added, total in zip(entries, sums, totals, strict=True):
        kin = [((entry.backbone == other.backbone) & other.held)[:, None] for other in entries]
        mean = added / np.where(total > 0, total, 1)
        whole = sum(k * t for k, t in zip(kin, totals, strict=True))
        shared = sum(k * s[:, :body] for k, s in zip(kin, sums, strict=True))
        mean[:, :body] = shared / np.where(whole > 0, whole, 1)
        found.append(mean)
    return found
