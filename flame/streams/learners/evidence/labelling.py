"""Which entry the newest batch of a node teaches: one that the node holds, or a new one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.streams.learners.evidence.bank import FORGOTTEN, Bank
from flame.streams.learners.evidence.new_concept import (
    Fork,
    NewConcept,
    chunk_evidence,
    new_concept,
)
from flame.streams.learners.evidence.options import EvidenceOptions
from flame.streams.learners.learner import Pace
from flame.streams.networks.base import Array, Network, added
from flame.streams.stream import Batch

_LOG_PRIOR = np.log([0.5, 0.25, 0.25])
_STAY = _LOG_PRIOR[0]
"""Log prior probability that a batch has the concept of the batch before."""
_RETURN = _LOG_PRIOR[1]
"""Log prior probability that a batch returns to another known concept."""
_NEW = _LOG_PRIOR[2]
"""Log prior probability that a batch has a new concept."""


@dataclass(frozen=True, eq=False)
class BatchLabels:
    """The decision of every node about its newest batch.

    Args:
        posterior: probability (n, entry + 1) of each entry and, last, of a new one.
        best: number (n,) of the most probable one.
        predicted: probabilities (n, m, classes) of the best one before it learns the batch.
        new: the new model that each node could open.
        parent: number (n,) of the entry that predicts the batch best, from which a new model may
            start; ``FORGOTTEN`` where a node holds none.
    """

    posterior: Array
    best: NDArray[np.int_]
    predicted: Array
    new: NewConcept
    parent: NDArray[np.int_]


@dataclass(frozen=True, eq=False)
class Labelling:
    """Bayes' rule over the entries that a node holds and a new model of the batch alone.

    The posterior is proportional to prior * likelihood of the labels of the batch, out of sample.
    The prior is 1/2 for the present entry, 1/4 shared among the others, and 1/4 for a new one.

    Args:
        network: the network.
        start: initial weights (n, size).
        pace: training of a step.
        options: options of evidence gossip.
    """

    network: Network
    start: Array
    pace: Pace
    options: EvidenceOptions

    def verdict(self, bank: Bank, batch: Batch, current: NDArray[np.int_]) -> BatchLabels:
        """Decide which entry each node's batch teaches.

        Args:
            bank: the bank.
            batch: a batch that no model has learned.
            current: number (n,) of each node's entry so far, or ``FORGOTTEN``.

        Returns:
            The decision of every node.
        """
        n = len(batch.x)
        count = len(bank.entries)
        predicted = [self.network.probability(entry.models, batch.x) for entry in bank.entries]
        log = np.full((n, count + 1), -np.inf)
        for number, entry in enumerate(bank.entries):
            log[:, number] = np.where(entry.held, chunk_evidence(predicted[number], batch), -np.inf)
        parent = np.where(np.isfinite(log.max(axis=1)), log.argmax(axis=1), FORGOTTEN)
        new = new_concept(self.network, batch, self._forks(bank, parent), self.pace)
        may_open = self.options.births | (parent == FORGOTTEN)
        log[:, count] = np.where(may_open, new.evidence, -np.inf)
        log = log + log_prior(log, current)
        likely = np.exp(log - log.max(axis=1, keepdims=True))
        posterior = likely / added(likely)[:, None]
        best = log.argmax(axis=1)
        of_best = np.stack([*predicted, new.predicted])[best, np.arange(n)]
        return BatchLabels(posterior, best, of_best, new, parent)

    def _forks(self, bank: Bank, parent: NDArray[np.int_]) -> list[Fork]:
        """Fork each node's best model, its last layer alone, and the initial weights."""
        if not bank.entries:
            return [Fork(self.start)]
        stack = np.stack([entry.models for entry in bank.entries])[parent, np.arange(len(parent))]
        best = np.where((parent != FORGOTTEN)[:, None], stack, self.start)
        among = np.maximum(np.sum([entry.held for entry in bank.entries], axis=0), 1)
        forks = [Fork(best, 0, among)]
        if self.options.from_initial_weights:
            forks.append(Fork(self.start))
        if self.options.heads:
            forks.append(Fork(best, self.network.body, among))
        return forks


def log_prior(log: Array, current: NDArray[np.int_]) -> Array:
    """Compute the log prior: stay, return to another entry that is held, or open a new one.

    Args:
        log: log likelihood (n, entry + 1) of each entry and, last, of a new one; -inf where the
            node does not hold the entry.
        current: number (n,) of each node's entry so far, or ``FORGOTTEN``.

    Returns:
        Log probabilities (n, entry + 1); those of entries that a node does not hold have no
        meaning.
    """
    held = np.isfinite(log[:, :-1])
    is_current = np.arange(held.shape[1]) == current[:, None]
    others = np.maximum((held & ~is_current).sum(axis=1, keepdims=True), 1)
    of_entries = np.where(is_current, _STAY, _RETURN - np.log(others))
    return np.hstack([of_entries, np.full((len(log), 1), _NEW)])
