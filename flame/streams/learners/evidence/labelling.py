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

_BEFORE = (2.0, 1.0, 1.0)
"""Pseudo-counts of staying, of returning to another known concept, and of a new one."""


class Moves:
    """How often each node stayed, returned to another entry, or opened one.

    The mean of the posterior over their probabilities, with the prior Dirichlet(2, 1, 1).

    Args:
        nodes: number of nodes.

    Example:
        >>> moves = Moves(nodes=1)
        >>> moves.count(np.array([Moves.STAY]), np.array([True]))
        >>> moves.probabilities.tolist()
        [[0.6, 0.2, 0.2]]
    """

    STAY, RETURN, NEW = range(3)

    def __init__(self, nodes: int) -> None:
        self._counts = np.tile(_BEFORE, (nodes, 1))

    @property
    def probabilities(self) -> Array:
        """Probabilities (n, 3) of staying, of returning, and of a new concept."""
        return np.asarray(self._counts / added(self._counts)[:, None])

    def count(self, moved: NDArray[np.int_], counted: NDArray[np.bool_]) -> None:
        """Count one more batch.

        Args:
            moved: ``STAY``, ``RETURN`` or ``NEW`` (n,).
            counted: mask (n,) of the nodes to count.
        """
        self._counts[counted, moved[counted]] += 1


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
    The prior carries the posterior of the batch before over, as the filter of a hidden Markov model
    does, with probabilities of moves that each node learns.

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

    def verdict(self, bank: Bank, batch: Batch, before: Array, moves: Moves) -> BatchLabels:
        """Decide which entry each node's batch teaches.

        Args:
            bank: the bank.
            batch: a batch that no model has learned.
            before: posterior (n, entry) of the batch before.
            moves: the moves of each node so far.

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
        log = log + log_prior(np.isfinite(log[:, :-1]), before, moves)
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


def log_prior(held: NDArray[np.bool_], before: Array, moves: Moves) -> Array:
    """Compute the log prior: stay, return to another entry that is held, or open a new one.

    With the posterior P of the batch before, k entries held, and the probabilities of moves, an
    entry has stay * P + return * (1 - P) / (k - 1), and a new one has new.

    Args:
        held: mask (n, entry) of the entries that each node holds.
        before: posterior (n, entry) of the batch before.
        moves: the moves of each node so far.

    Returns:
        Log probabilities (n, entry + 1), up to a constant; -inf for entries that are not held.

    Reference:
        Rabiner 1989, for the filter; Adams 2007, arXiv:0710.3742, for births.
    """
    stay, back, new = moves.probabilities.T[..., None]
    others = np.maximum(held.sum(axis=1, keepdims=True) - 1, 1)
    prior = held * (stay * before + back * (1 - before) / others)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.hstack([prior, new])))
