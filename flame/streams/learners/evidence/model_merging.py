"""Which models are of one concept: evidence of each node on its own batches, summed over nodes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flame.streams.learners.evidence.bank import FORGOTTEN, Bank, roots
from flame.streams.learners.evidence.new_concept import chunk_evidence
from flame.streams.networks.base import Array, Network


def evidence_tables(network: Network, bank: Bank) -> tuple[Array, NDArray[np.int_]]:
    """Compute the evidence of each node on pairs of entries, and count its memories.

    Evidence (a, b) is a sum over the node's batches of entry a: the log likelihood of labels under
    (p_b + p) / 2 less that under p, where p is the node's prediction before it learned the batch.
    The evidence is above 0 where entry b knows something that the node did not. Batches from before
    b was opened are left out, as b may have started from a model that had learned them.

    Args:
        network: the network.
        bank: the bank.

    Returns:
        Evidence (n, entry, entry) in nats, and the number of memories (n, entry).
    """
    count = len(bank.entries)
    nodes = np.arange(len(bank.memories[0].entry))
    evidence = np.zeros((len(nodes), count, count))
    for memory in bank.memories:
        baseline = chunk_evidence(memory.predicted, memory.batch)
        remembered = memory.entry != FORGOTTEN
        for number, entry in enumerate(bank.entries):
            compared = remembered & entry.held
            if memory.step < entry.opened[0] or not compared.any():
                continue
            predicted = network.probability(entry.models, memory.batch.x)
            mixture = (predicted + memory.predicted) / 2
            gain = chunk_evidence(mixture, memory.batch) - baseline
            evidence[nodes[compared], memory.entry[compared], number] += gain[compared]
    return evidence, bank.counts()


def joined_pairs(
    evidence: Array,
    counts: NDArray[np.int_],
    opened: Sequence[tuple[int, int]],
    num_byzantine: int = 0,
) -> list[tuple[int, int]]:
    """Choose the pairs of entries to merge.

    While the summed evidence of any pair is above 0 in either direction, the pair with the highest
    evidence is merged. One direction suffices: an old model does not gain from a young one of its
    concept.

    Args:
        evidence: evidence (node, entry, entry) of the nodes whose news arrived.
        counts: number (entry,) of their memories.
        opened: step and node that opened each entry.
        num_byzantine: number of nodes that may send false evidence.

    Returns:
        Pairs of numbers of entries, the best first.

    Example:
        Entry 1 gains 2 nats from entry 0.

        >>> evidence = np.array([[[0.0, -1.0], [2.0, 0.0]]])
        >>> joined_pairs(evidence, counts=np.array([3, 1]), opened=[(0, 0), (1, 0)])
        [(0, 1)]
    """
    total = _clipped_sum(evidence, num_byzantine)
    live = [i for i in range(len(counts)) if counts[i] > 0]
    pairs: list[tuple[int, int]] = []
    while len(live) > 1:
        either = np.maximum(total, total.T)[np.ix_(live, live)]
        np.fill_diagonal(either, -np.inf)
        first, second = (live[i] for i in np.unravel_index(either.argmax(), either.shape))
        if either.max() <= 0:
            break
        pairs.append((first, second))
        kept = roots([(first, second)], opened)[first]
        merged = second if kept == first else first
        total[kept] += total[merged]
        live.remove(merged)
    return pairs


def agreed(made: Sequence[NDArray[np.int_]], num_byzantine: int) -> list[tuple[int, int]]:
    """Choose the pairs of entries that more than ``num_byzantine`` nodes merged.

    Args:
        made: for each node the entry (entry,) that each entry became.
        num_byzantine: number of nodes that may report false merges.

    Returns:
        Pairs of numbers of entries, in rising order.

    Example:
        >>> agreed([np.array([0, 0]), np.array([0, 1])], num_byzantine=0)
        [(0, 1)]
        >>> agreed([np.array([0, 0]), np.array([0, 1])], num_byzantine=1)
        []
    """
    votes = sum((root[:, None] == root).astype(int) for root in made)
    first, second = np.nonzero(np.triu(votes > num_byzantine, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _clipped_sum(evidence: Array, num_byzantine: int) -> Array:
    """Sum evidence over nodes.

    Each value is clipped to the range that remains without the ``num_byzantine`` highest and lowest
    ones. The sum is 0 where too few nodes remain.
    """
    if num_byzantine == 0:
        return np.asarray(evidence.sum(axis=0))
    ordered = np.sort(evidence, axis=0)
    if len(ordered) <= 2 * num_byzantine:
        return np.zeros(ordered.shape[1:])
    return np.asarray(
        np.clip(evidence, ordered[num_byzantine], ordered[-1 - num_byzantine]).sum(axis=0)
    )
