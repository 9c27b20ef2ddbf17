"""How surely the newest batch has another concept than those before: a test with a level.

The evidence compares two models of a batch, and also prefers a better trained one of the same
concept. The test asks whether the preference is new: whether it is larger in the batch than in the
remembered batches of the present concept.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from flame.streams.learners.evidence.bank import FORGOTTEN, Bank, Memory
from flame.streams.learners.evidence.labelling import BatchLabels
from flame.streams.networks.base import Array, Network, log_likelihood
from flame.streams.stream import Batch

_LEAST = 1e-3
"""Least probability of a label, so that no single row decides."""


def alarm_p(
    network: Network, bank: Bank, batch: Batch, labels: BatchLabels, current: NDArray[np.int_]
) -> Array:
    """Test whether the rows of the newest batch prefer another model more than those before.

    The preference of a row is the log probability of its label under the other model less that
    under the present one. The remembered batches of the present concept were predicted before they
    were learned. A new model counts with its cross-validated predictions of the newest batch, and
    on the remembered ones as it was trained; it may have started from the present model, which
    learned them. The p-value is multiplied by the number of models among which the other one was
    chosen. The level is therefore nominal.

    Args:
        network: the network.
        bank: the bank, without the batch.
        batch: the newest batch.
        labels: the decision about it.
        current: number (n,) of each node's entry so far, or ``FORGOTTEN``.

    Returns:
        P-value (n,); 1 where the batch stays with the present entry, or nothing is remembered of
        it.
    """
    count = len(bank.entries)
    p = np.ones(len(current))
    moved = (labels.best != current) & (current != FORGOTTEN) & batch.exists.any(axis=1)
    for node in np.flatnonzero(moved).tolist():
        memories = [memory for memory in bank.memories if memory.entry[node] == current[node]]
        if not memories:
            continue
        other = labels.best[node]
        model = labels.new.models[node] if other == count else bank.entries[other].models[node]
        present = bank.entries[current[node]].models[node]
        before = np.concatenate([_before(network, model, present, m, node) for m in memories])
        own = _log_of(network, present, batch, node)
        now = _log(labels.predicted[node], batch, node) - own
        among = 1 + sum(entry.held[node] for entry in bank.entries)
        p[node] = min(1.0, among * _larger(now, before))
    return p


def _before(network: Network, other: Array, present: Array, memory: Memory, node: int) -> Array:
    """Return the preferences (m,) of the rows of a memory.

    The present model counts with the worse of what it predicted then and predicts now: since then
    it has learned the memory, or what others taught it has spoiled it.
    """
    then = _log(memory.predicted[node], memory.batch, node)
    now = _log_of(network, present, memory.batch, node)
    return _log_of(network, other, memory.batch, node) - np.minimum(now, then)


def _log_of(network: Network, model: Array, batch: Batch, node: int) -> Array:
    """Return the log probability (m,) of each label of a node under a model."""
    there = batch.exists[node]
    probability = network.probability(model[None], batch.x[node][there][None])[0]
    return log_likelihood(probability, batch.y[node][there], _LEAST)


def _log(probability: Array, batch: Batch, node: int) -> Array:
    """Return the log probability (m,) of each label of a node."""
    there = batch.exists[node]
    return log_likelihood(probability[there], batch.y[node][there], _LEAST)


def _larger(new: Array, old: Array) -> float:
    """Return the one-sided p-value (Welch 1947) of the difference of means; 1 without a spread."""
    if min(len(new), len(old)) < 2:
        return 1.0
    p = float(ttest_ind(new, old, equal_var=False, alternative="greater").pvalue)
    return p if np.isfinite(p) else 1.0
