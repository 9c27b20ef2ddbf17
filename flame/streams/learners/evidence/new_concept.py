"""Whether a batch has a new concept: cross-validated evidence for a model of the batch alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flame.streams.learners.learner import Pace
from flame.streams.networks.base import Adam, Array, Network, added, log_likelihood
from flame.streams.stream import Batch

FOLDS = 5
"""Folds of the cross-validation within a batch."""
_ROUNDS = (1, 2, 4, 8, 16, 40)
"""Rounds of training after which a fork is evaluated; an early stop helps with noisy labels."""


@dataclass(frozen=True, eq=False)
class Fork:
    """A way to start a model that learns a batch.

    Args:
        start: parameters (n, size) to start from.
        frozen: number of the first parameters that do not change.
        among: number (n,) of models among which ``start`` was chosen by the batch itself.
    """

    start: Array
    frozen: int = 0
    among: NDArray[np.int_] | int = 1


@dataclass(frozen=True, eq=False)
class NewConcept:
    """The new model that each node could open for its batch.

    Args:
        evidence: log likelihood (n,) of the batch in nats, out of sample.
        predicted: probabilities (n, m, classes) of each row by models that had not learned it.
        models: parameters (n, size) trained on the whole batch, from the fork and for the rounds
            that were best in the cross-validation.
        frozen: number (n,) of the first parameters that are those of the fork.
    """

    evidence: Array
    predicted: Array
    models: Array
    frozen: NDArray[np.int_]


def chunk_evidence(predicted: Array, batch: Batch) -> Array:
    """Compute the log likelihood of the labels of each node's batch.

    Every class has at least 1 / (rows + classes) of the probability (Laplace), so that no single
    row decides.

    Args:
        predicted: probabilities (..., n, m, classes), with any axes before those of the batch.
        batch: the batch.

    Returns:
        Log likelihood (..., n) in nats; 0 for a node without rows.

    Example:
        With two rows and two classes, a probability of 1 becomes 0.75.

        >>> y = np.array([[0, 1]])
        >>> batch = Batch(np.zeros((1, 2, 1)), y, y, np.ones((1, 2), bool))
        >>> certain = np.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> np.exp(chunk_evidence(certain, batch)).round(4).tolist()  # 0.75 ** 2
        [0.5625]
    """
    count = batch.exists.sum(axis=1, keepdims=True)
    classes = predicted.shape[-1]
    floor = 1 / np.maximum(count + classes, classes + 1)
    rows = log_likelihood(predicted, np.broadcast_to(batch.y, predicted.shape[:-1]), floor)
    return added(np.where(batch.exists, rows, 0))


def new_concept(network: Network, batch: Batch, forks: Sequence[Fork], pace: Pace) -> NewConcept:
    """Compute the evidence that a batch has a new concept, and train a model of the batch.

    The evidence is the log of the mean out-of-sample likelihood over hypotheses: every fork,
    stopped after 1, 2, 4, 8, 16 or 40 rounds. A fork that starts from the best of k models for this
    very batch has 1 / k of the probability of others.

    Args:
        network: the network.
        batch: a batch that no model has learned.
        forks: ways to start.
        pace: training of a step; numbers of rounds above its own are left out.

    Returns:
        The evidence, the out-of-sample predictions and the new model of each node.

    Reference:
        ``docs/explanation/evidence-gossip.md``.
    """
    checkpoints = [r for r in _ROUNDS if r <= pace.rounds]
    parts = [_out_of_sample(network, batch, fork, pace, checkpoints) for fork in forks]
    predicted = np.stack(parts)
    predicted = predicted.reshape(-1, *predicted.shape[2:])  # hypothesis, node, row, class
    among = np.stack([np.broadcast_to(fork.among, len(batch.x)) for fork in forks])
    evidence = chunk_evidence(predicted, batch) - np.repeat(np.log(among), len(checkpoints), axis=0)
    likeliest = evidence.max(axis=0)
    total = likeliest + np.log(added(np.exp(evidence - likeliest).T))
    mixture = (np.exp(evidence - total)[..., None, None] * predicted).sum(axis=0)
    best, place = np.divmod(evidence.argmax(axis=0), len(checkpoints))
    models = _trained(network, batch, forks, pace, best, np.array(checkpoints)[place])
    frozen = np.array([fork.frozen for fork in forks])[best]
    return NewConcept(total - np.log(len(evidence)), mixture, models, frozen)


def folds(exists: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Cut each node's rows, in their order, into five folds.

    Neighbouring rows of one time may share the cause of their outcome, so a fold consists of
    consecutive rows.

    Args:
        exists: mask (n, m) of the rows that exist.

    Returns:
        Number (n, m) of the fold of each row, from 0.

    Example:
        >>> folds(np.ones((1, 10), bool)).tolist()
        [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]]
    """
    count = np.maximum(exists.sum(axis=1, keepdims=True), 1)
    place = np.minimum(exists.cumsum(axis=1) - exists, count - 1)  # padding has weight 0
    return np.asarray(place * FOLDS // count)


def _out_of_sample(
    network: Network, batch: Batch, fork: Fork, pace: Pace, checkpoints: list[int]
) -> Array:
    """Return out-of-sample probabilities (checkpoint, n, m, classes) of the rows."""
    n, m = batch.y.shape
    nodes = np.arange(n)
    rows = np.arange(m)
    fold = folds(batch.exists)
    weight = batch.weight[:, None] * (fold[:, None] != np.arange(FOLDS)[:, None])
    models = np.repeat(fork.start, FOLDS, axis=0)
    x = np.repeat(batch.x, FOLDS, axis=0)
    y = np.repeat(batch.y, FOLDS, axis=0)
    adam = Adam(models.shape, pace.rate, fork.frozen)
    done = 0
    predicted = []
    for checkpoint in checkpoints:
        steps = (checkpoint - done) * pace.local_steps
        models = network.descend(models, x, y, weight.reshape(len(models), m), adam, steps)
        of_folds = network.probability(models, x).reshape(n, FOLDS, m, -1)
        predicted.append(of_folds[nodes[:, None], fold, rows])
        done = checkpoint
    return np.stack(predicted)


def _trained(
    network: Network,
    batch: Batch,
    forks: Sequence[Fork],
    pace: Pace,
    best: NDArray[np.int_],
    rounds: NDArray[np.int_],
) -> Array:
    """Train models (n, size) on the whole batch, from their best fork and for rounds (n,)."""
    models = np.empty_like(forks[0].start)
    for number, count in {*zip(best.tolist(), rounds.tolist(), strict=True)}:
        nodes = np.flatnonzero((best == number) & (rounds == count))
        fork = forks[number]
        adam = Adam(fork.start[nodes].shape, pace.rate, fork.frozen)
        models[nodes] = network.descend(
            fork.start[nodes],
            batch.x[nodes],
            batch.y[nodes],
            batch.weight[nodes],
            adam,
            count * pace.local_steps,
        )
    return models
