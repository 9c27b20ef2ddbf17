"""Is this batch a new concept? Cross-validated evidence for a model that only it has taught."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flame.streams.learners.learner import Pace
from flame.streams.networks.base import Adam, Array, Network, log_likelihood
from flame.streams.stream import Batch

FOLDS = 5
_ROUNDS = (1, 2, 4, 8, 16, 40)


@dataclass(frozen=True, eq=False)
class Fork:
    """A way to learn a batch: from ``start`` (n, size), of which the first ``frozen`` stay.

    ``start`` is that of the best model for the batch ``among`` (n,) so many.
    """

    start: Array
    frozen: int = 0
    among: NDArray[np.int_] | int = 1


@dataclass(frozen=True, eq=False)
class NewConcept:
    """Of each node: ``evidence`` (n,) in nats, ``told`` (n, m, classes) before a row was learned.

    ``models`` (n, size) learned the whole batch as, and for as long as, cross-validation found
    best; ``frozen`` (n,) of their parameters stayed as they were.
    """

    evidence: Array
    told: Array
    models: Array
    frozen: NDArray[np.int_]


def chunk_evidence(told: Array, batch: Batch) -> Array:
    """Log likelihood (...,) of a node's labels, of probabilities (..., m, classes).

    1 / (rows + classes) of each class is given away (Laplace), so that no row decides alone. That
    of a node without rows is 0.
    """
    count = batch.there.sum(axis=1, keepdims=True)
    floor = 1 / np.maximum(count + told.shape[-1], told.shape[-1] + 1)
    rows = log_likelihood(told, np.broadcast_to(batch.y, told.shape[:-1]), floor)
    return np.asarray(np.where(batch.there, rows, 0).sum(axis=-1))


def new_concept(network: Network, batch: Batch, forks: Sequence[Fork], pace: Pace) -> NewConcept:
    """The mean likelihood of held-out folds over ``forks`` and how long they learn.

    The hypotheses are equally likely before (a Bayes mixture), so that a fork that was stopped
    early speaks for itself where labels are noisy. A parent that was chosen among so many by this
    very batch is one of so many hypotheses.
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
    """The fold (n, m) of each row: a node's rows in their order, cut into five pieces.

    Rows of one time that are near each other may share what decides their outcome; those of a
    fold that is left out should not be told by their neighbours.
    """
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    place = np.minimum(there.cumsum(axis=1) - there, count - 1)  # rows that pad count for nothing
    return np.asarray(place * FOLDS // count)


def _held_out(
    network: Network, batch: Batch, fork: Fork, pace: Pace, checkpoints: list[int]
) -> Array:
    """Probabilities (checkpoint, n, m, classes) of rows in the fold that was left out."""
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
    """The whole batch learned by each node's best fork (n,) for its rounds (n,)."""
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
