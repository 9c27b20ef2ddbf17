"""Which model does a node's newest batch teach: one that it holds, or a new one?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flame.streams.learners.evidence.bank import FORGOTTEN, Bank
from flame.streams.learners.evidence.new_concept import (
    Fork,
    NewConcept,
    chunk_evidence,
    new_concept,
)
from flame.streams.learners.evidence.options import EvidenceOptions
from flame.streams.learners.learner import Pace
from flame.streams.networks.base import Array, Network
from flame.streams.stream import Batch

_STAY, _RETURN, _NEW = np.log([0.5, 0.25, 0.25])


@dataclass(frozen=True, eq=False)
class BatchLabels:
    """Of each node ``posterior`` (n, entry + 1) over the entries and, last, ``new``; ``best`` (n,).

    ``told`` (n, m, classes) is what the best says of the batch that it has not learned; ``parent``
    (n,) is the entry that a new one would fork from, FORGOTTEN where none is held.
    """

    posterior: Array
    best: NDArray[np.int_]
    told: Array
    new: NewConcept
    parent: NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class Labelling:
    """Bayes' rule over the models of a bank and one that only the batch would teach.

    ``start`` (n, size) are the first weights.
    """

    network: Network
    start: Array
    pace: Pace
    options: EvidenceOptions

    def verdict(self, bank: Bank, batch: Batch, current: NDArray[np.int_]) -> BatchLabels:
        """Of a batch that no model has learned; ``current`` (n,) is each node's entry so far."""
        n, count = len(batch.x), len(bank.entries)
        told = [self.network.probability(entry.models, batch.x) for entry in bank.entries]
        log = np.full((n, count + 1), -np.inf)
        for number, entry in enumerate(bank.entries):
            log[:, number] = np.where(entry.held, chunk_evidence(told[number], batch), -np.inf)
        parent = np.where(np.isfinite(log.max(axis=1)), log.argmax(axis=1), FORGOTTEN)
        new = new_concept(self.network, batch, self._forks(bank, parent), self.pace)
        opens = self.options.births | (parent == FORGOTTEN)
        log[:, count] = np.where(opens, new.evidence, -np.inf)
        log = log + _prior(log, current)
        posterior = np.exp(log - logsumexp(log, axis=1, keepdims=True))
        best = log.argmax(axis=1)
        return BatchLabels(
            posterior, best, np.stack([*told, new.told])[best, np.arange(n)], new, parent
        )

    def _forks(self, bank: Bank, parent: NDArray[np.int_]) -> list[Fork]:
        """Of each node's best model (n,): all of it, and its last layer; of the first weights."""
        if not bank.entries:
            return [Fork(self.start)]
        stack = np.stack([entry.models for entry in bank.entries])[parent, np.arange(len(parent))]
        best = np.where((parent != FORGOTTEN)[:, None], stack, self.start)
        held = np.maximum(np.sum([entry.held for entry in bank.entries], axis=0), 1)
        forks = [Fork(best, 0, held)]
        if self.options.from_initial_weights:
            forks.append(Fork(self.start))
        if self.options.heads:
            forks.append(Fork(best, self.network.body, held))
        return forks


def _prior(log: Array, current: NDArray[np.int_]) -> Array:
    """Indifference: stay, return to any other that is held, or new."""
    held = np.isfinite(log[:, :-1])
    mine = np.arange(held.shape[1]) == current[:, None]
    others = np.maximum((held & ~mine).sum(axis=1, keepdims=True), 1)
    known = np.where(mine, _STAY, _RETURN - np.log(others))
    return np.hstack([known, np.full((len(log), 1), _NEW)])
