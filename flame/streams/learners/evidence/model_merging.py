"""Are two models of one concept? Evidence of each node on its own batches, and what it adds to."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flame.streams.learners.evidence.bank import FORGOTTEN, Bank, roots
from flame.streams.learners.evidence.new_concept import chunk_evidence
from flame.streams.networks.base import Array, Network


def evidence_tables(network: Network, bank: Bank) -> tuple[Array, NDArray[np.int_]]:
    """What each node tells (n, entry, entry) and its memories by entry (n, entry).

    Entry (a, b) sums over the node's batches of entry a how much better they are told by half of
    model b and half of what was told of them before they were learned, than by the latter alone.
    It is above 0 where b adds to what could be known without the batch. Batches from before b was
    opened are left out: b may have forked from what had learned them, and they were told by an a
    that has learned since.
    """
    count, nodes = len(bank.entries), np.arange(len(bank.memories[0].entry))
    found = np.zeros((len(nodes), count, count))
    for memory in bank.memories:
        honest = chunk_evidence(memory.told, memory.batch)
        there = memory.entry != FORGOTTEN
        for other, entry in enumerate(bank.entries):
            asked = there & entry.held
            if memory.step < entry.opened[0] or not asked.any():
                continue
            told = network.probability(entry.models, memory.batch.x)
            gain = chunk_evidence((told + memory.told) / 2, memory.batch) - honest
            found[nodes[asked], memory.entry[asked], other] += gain[asked]
    return found, bank.counts()


def joined_pairs(
    evidence: Array,
    counts: NDArray[np.int_],
    opened: Sequence[tuple[int, int]],
    num_byzantine: int = 0,
) -> list[tuple[int, int]]:
    """Pairs of entries to join, the best first, as long as evidence of any pair is above 0.

    ``evidence`` (node, entry, entry) of those that were heard, ``counts`` (entry,) memories. One
    direction suffices: a mature model does not gain by a young double of it.
    """
    total = _believed(evidence, num_byzantine)
    live, pairs = [i for i in range(len(counts)) if counts[i] > 0], list[tuple[int, int]]()
    while len(live) > 1:
        both = np.maximum(total, total.T)[np.ix_(live, live)]
        np.fill_diagonal(both, -np.inf)
        one, other = (live[i] for i in np.unravel_index(both.argmax(), both.shape))
        if both.max() <= 0:
            break
        pairs.append((one, other))
        keep = roots([(one, other)], opened)[one]
        gone = other if keep == one else one
        total[keep] += total[gone]
        live.remove(gone)
    return pairs


def agreed(made: Sequence[NDArray[np.int_]], num_byzantine: int) -> list[tuple[int, int]]:
    """Pairs of entries that more than ``num_byzantine`` nodes merged.

    ``made`` says of each node what its entries became (entry,).
    """
    votes = sum((root[:, None] == root).astype(int) for root in made)
    one, other = np.nonzero(np.triu(votes > num_byzantine, 1))
    return list(zip(one.tolist(), other.tolist(), strict=True))


def _believed(evidence: Array, num_byzantine: int) -> Array:
    """The sum over nodes, each at most as far out as ``num_byzantine`` others on that side."""
    if num_byzantine == 0:
        return np.asarray(evidence.sum(axis=0))
    ordered = np.sort(evidence, axis=0)
    if len(ordered) <= 2 * num_byzantine:
        return np.zeros(ordered.shape[1:])
    return np.asarray(
        np.clip(evidence, ordered[num_byzantine], ordered[-1 - num_byzantine]).sum(axis=0)
    )
