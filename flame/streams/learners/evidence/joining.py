"""Are two models of one concept? Evidence of each node on its own batches, and what it adds to."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flame.streams.learners.evidence.bank import FORGOTTEN, Bank, roots
from flame.streams.learners.evidence.new_concept import chunk_evidence
from flame.streams.networks.base import Array, Network


def evidence_tables(network: Network, bank: Bank) -> tuple[Array, NDArray[np.int_]]:
    """What each node tells (n, slot, slot) and its memories by slot (n, slot).

    Entry (a, b) sums over the node's batches of slot a how much better they are told by half of
    model b and half of what was told of them before they were learned, than by the latter alone.
    It is above 0 where b adds to what could be known without the batch. Batches from before b was
    opened are left out: b may have forked from what had learned them, and they were told by an a
    that has learned since.
    """
    count, nodes = len(bank.slots), np.arange(len(bank.memories[0].slot))
    found = np.zeros((len(nodes), count, count))
    for memory in bank.memories:
        honest = chunk_evidence(memory.told, memory.batch)
        there = memory.slot != FORGOTTEN
        for other, slot in enumerate(bank.slots):
            asked = there & slot.held
            if memory.step < slot.opened[0] or not asked.any():
                continue
            told = network.probability(slot.models, memory.batch.x)
            gain = chunk_evidence((told + memory.told) / 2, memory.batch) - honest
            found[nodes[asked], memory.slot[asked], other] += gain[asked]
    return found, bank.counts()


def joined_pairs(
    evidence: Array, counts: NDArray[np.int_], opened: Sequence[tuple[int, int]], liars: int = 0
) -> list[tuple[int, int]]:
    """Pairs of slots to join, the best first, as long as evidence of any pair is above 0.

    ``evidence`` (node, slot, slot) of those that were heard, ``counts`` (slot,) memories. One
    direction suffices: a mature model does not gain by a young double of it.
    """
    total = _believed(evidence, liars)
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


def agreed(made: Sequence[NDArray[np.int_]], liars: int) -> list[tuple[int, int]]:
    """Pairs of slots that more than ``liars`` nodes made one; of each what slots became (slot,)."""
    votes = sum((root[:, None] == root).astype(int) for root in made)
    one, other = np.nonzero(np.triu(votes > liars, 1))
    return list(zip(one.tolist(), other.tolist(), strict=True))


def _believed(evidence: Array, liars: int) -> Array:
    """The sum over nodes, each at most as far out as ``liars`` others on that side."""
    if liars == 0:
        return np.asarray(evidence.sum(axis=0))
    ordered = np.sort(evidence, axis=0)
    if len(ordered) <= 2 * liars:
        return np.zeros(ordered.shape[1:])
    return np.asarray(np.clip(evidence, ordered[liars], ordered[-1 - liars]).sum(axis=0))
