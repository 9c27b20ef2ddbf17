"""Whether a batch is a new concept: cross-validated evidence for a model of the batch alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flame.streams.learners.learner import Pace
from flame.streams.networks.base import Adam, Array, Network, log_likelihood
from flame.streams.stream import Batch

FOLDS = 5
"""Folds of the cross-validation within a batch."""
_ROUNDS = (1, 2, 4, 8, 16, 40)
"""Rounds of training after which a fork is evaluated."""


@dataclass(frozen=True, eq=False)
class Fork:
    """A way to start a model that learns a batch.

    Args:
        start: parameters (n, size) to start from.
        frozen: the first so many parameters stay as they are.
        among: number (n,) of models among which the batch itself chose ``start``.
    """

    start: Array
    frozen: int = 0
    among: NDArray[np.int_] | int = 1


@dataclass(frozen=True, eq=False)
class NewConcept:
    """The new model that each node could open for its batch.

    Args:
        evidence: log likelihood (n,) of the batch in nats, out of sample.
        told: probabilities (n, m, classes) of each row by models that had not learned it.
        models: parameters (n, size) trained on the whole batch, from the fork and for the rounds
            that cross-validation found best.
        frozen: number (n,) of parameters that stayed as in the fork.
    """

    evidence: Array
    told: Array
    models: Array
    frozen: NDArray[np.int_]


def chunk_evidence(told: Array, batch: Batch) -> Array:
    """Return the log likelihood (..., n) in nats of the labels of each node's batch.

    Every class gets 1 / (rows + classes) of the probability (Laplace), so that no single row
    decides. The log likelihood of a node without rows is 0.

    Args:
        told: probabilities (..., n, m, classes), with any axes before those of the batch.
        batch: the batch.

    Example:
        With two rows and two classes, a probability of 1 becomes 0.75.

        >>> y = np.array([[0, 1]])
        >>> batch = Batch(np.zeros((1, 2, 1)), y, y, np.ones((1, 2), bool))
        >>> certain = np.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> np.exp(chunk_evidence(certain, batch)).round(4).tolist()  # 0.75 ** 2
        [0.5625]
    """
    count = batch.there.sum(axis=1, keepdims=True)
    floor = 1 / np.maximum(count + told.shape[-1], told.shape[-1] + 1)
    rows = log_likelihood(told, np.broadcast_to(batch.y, told.shape[:-1]), floor)
    return np.asarray(np.where(batch.there, rows, 0).sum(axis=-1))


def new_concept(network: Network, batch: Batch, forks: Sequence[Fork], pace: Pace) -> NewConcept:
    """Return the evidence that a batch has a new concept, and the model that it teaches.

    The evidence is the log of the mean out-of-sample likelihood over hypotheses: every fork,
    stopped after 1, 2, 4, 8, 16 or 40 rounds. Stopping early helps where labels are noisy. A fork
    that starts from the best of k models for this very batch has 1 / k of the probability of
    others.

    Args:
        network: the network.
        batch: a batch that no model has learned.
        forks: ways to start.
        pace: training of a step; checkpoints beyond its rounds are left out.

    Reference:
        ``docs/explanation/evidence-gossip.md``.
    """
    checkpoints = [r for r in _ROUNDS if r <= pace.rounds]
    told = np.stack([_held_out(network, batch, fork, pace, checkpoints) for fork in forks])
    told = told.reshape(-1, *told.shape[2:])  # hypothesis, node, row, class
    among = np.stack([np.broadcast_to(fork.among, len(batch.x)) for fork in forks])
    evidence = chunk_evidence(told, batch) - np.repeat(np.log(among), len(checkpoints), axis=0)
    total = logsumexp(evidence, axis=0)
    mixed = np.einsum("hn,hnmk->nmk", np.exp(evidence - total), told)
    best, place = np.divmod(evidence.argmax(axis=0), len(checkpoints))
    models = _taught(network, batch, forks, pace, best, np.array(checkpoints)[place])
    frozen = np.array([fork.frozen for fork in forks])[best]
    return NewConcept(total - np.log(len(evidence)), mixed, models, frozen)


def folds(there: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Return the fold (n, m) of each row: a node's rows in their order, cut into five pieces.

    Rows of one time that are near each other may share what decides their outcome, so a fold is not
    spread over its neighbours.

    Args:
        there: mask (n, m) of the rows that exist.

    Example:
        >>> folds(np.ones((1, 10), bool)).tolist()
        [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]]
    """
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    place = np.minimum(there.cumsum(axis=1) - there, count - 1)  # padding has weight 0
    return np.asarray(place * FOLDS // count)


def _held_out(
    network: Network, batch: Batch, fork: Fork, pace: Pace, checkpoints: list[int]
) -> Array:
    """Return out-of-sample probabilities (checkpoint, n, m, classes) of the rows."""
    (n, m), rows, nodes = batch.y.shape, np.arange(batch.y.shape[1]), np.arange(len(batch.y))
    fold = folds(batch.there)
    learned = batch.weight[:, None] * (fold[:, None] != np.arange(FOLDS)[:, None])
    models, x = np.repeat(fork.start, FOLDS, axis=0), np.repeat(batch.x, FOLDS, axis=0)
    y = np.repeat(batch.y, FOLDS, axis=0)
    adam, done, found = Adam(models.shape, pace.rate, fork.frozen), 0, []
    for checkpoint in checkpoints:
        steps = (checkpoint - done) * pace.local_steps
        models = network.descend(models, x, y, learned.reshape(-1, m), adam, steps)
        told = network.probability(models, x).reshape(n, FOLDS, m, -1)
        found.append(told[nodes[:, None], fold, rows])
        done = checkpoint
    return np.stack(found)


def _taught(
    network: Network,
    batch: Batch,
    forks: Sequence[Fork],
    pace: Pace,
    best: NDArray[np.int_],
    rounds: NDArray[np.int_],
) -> Array:
    """Return models (n, size) that learned the whole batch by their best fork and rounds (n,)."""
    found = np.empty_like(forks[0].start)
    for number, count in {*zip(best.tolist(), rounds.tolist(), strict=True)}:
        mine = np.flatnonzero((best == number) & (rounds == count))
        fork = forks[number]
        adam = Adam(fork.start[mine].shape, pace.rate, fork.frozen)
        found[mine] = network.descend(
            fork.start[mine],
            batch.x[mine],
            batch.y[mine],
            batch.weight[mine],
            adam,
            count * pace.local_steps,
        )
    return found
