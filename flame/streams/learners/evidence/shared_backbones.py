"""Averages of entries over the nodes that hold them, with shared representations."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flame.federation.gossip.method import NO_DATA, Round
from flame.streams.learners.evidence.bank import BankEntry
from flame.streams.networks.base import Array
from flame.streams.transport import Shared


def averaged(
    rounds: Sequence[Round],
    own: NDArray[np.int_],
    entries: Sequence[BankEntry],
    sent: Sequence[Shared],
    body: int,
) -> list[Array]:
    """Average the models of entries over nodes.

    At each node a model is averaged over the nodes that hold it and whose message arrived, by
    weight and memories. The first ``body`` parameters are also averaged over all entries that share
    a backbone, as FedRep shares a representation among clients.

    Args:
        rounds: the round, with its weights and the messages that arrived between all nodes, as it
            is for each entry.
        own: numbers (n,) of the nodes that are in this process.
        entries: the entries, as these nodes have them.
        sent: what all nodes sent of each entry: parameters after local training, and memories.
        body: number of parameters that a backbone shares; 0: none.

    Returns:
        Parameters (n, size) of each entry.

    Reference:
        Collins 2021, arXiv:2102.07078.

    Example:
        Counts of 1 and 3 give (1 * 0 + 3 * 1) / 4.

        >>> everyone = np.ones((2, 2), bool)
        >>> now = Round(np.full((2, 2), 0.5), everyone, everyone[0], np.random.default_rng(0))
        >>> sent = Shared(np.array([[0.0], [1.0]]), np.array([1, 3]), everyone[0])
        >>> none = np.zeros(2, int)
        >>> entry = BankEntry((0, 0), sent.models, held=everyone[0], backbone=none, heard=none)
        >>> averaged([now], np.arange(2), [entry], [sent], body=0)[0].tolist()
        [[0.75], [0.75]]
    """
    sums = []
    totals = []
    for now, (models, count, held) in zip(rounds, sent, strict=True):
        weights = np.where(now.arrived & held, now.weights, 0) * np.maximum(count, NO_DATA)
        sums.append((weights @ models)[own])
        totals.append(weights.sum(axis=1, keepdims=True)[own])
    means = []
    for entry, weighted, total in zip(entries, sums, totals, strict=True):
        shares = [((entry.backbone == e.backbone) & e.held)[:, None] for e in entries]
        mean = weighted / np.where(total > 0, total, 1)
        body_total = sum(share * t for share, t in zip(shares, totals, strict=True))
        body_sum = sum(share * s[:, :body] for share, s in zip(shares, sums, strict=True))
        mean[:, :body] = body_sum / np.where(body_total > 0, body_total, 1)
        means.append(mean)
    return means
