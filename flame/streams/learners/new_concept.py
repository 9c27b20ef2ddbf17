"""Is this batch a new concept? Cross-validated evidence for a model that only it has taught."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from flame.streams.learners.learner import Pace
from flame.streams.network import Adam, Array, Network, log_likelihood
from flame.streams.stream import Batch

FOLDS = 5
_ROUNDS = (1, 2, 4, 8, 16, 40)


@dataclass(frozen=True, eq=False)
class NewConcept:
    """Of each node: ``evidence`` (n,) in nats, ``told`` (n, m, classes) before a row was learned.

    ``models`` (n, size) learned the whole batch for as long as cross-validation found best.
    """

    evidence: Array
    told: Array
    models: Array


def chunk_evidence(told: Array, batch: Batch) -> Array:
    """Log likelihood (...,) of a node's labels, of probabilities (..., m, classes).

    1 / (rows + classes) of each class is given away (Laplace), so that no row decides alone. That
    of a node without rows is 0.
    """
    count = batch.there.sum(axis=1, keepdims=True)
    floor = 1 / np.maximum(count + told.shape[-1], told.shape[-1] + 1)
    rows = log_likelihood(told, np.broadcast_to(batch.y, told.shape[:-1]), floor)
    return np.asarray(np.where(batch.there, rows, 0).sum(axis=-1))


def new_concept(
    network: Network, batch: Batch, starts: tuple[Array, Array], pace: Pace
) -> NewConcept:
    """The mean likelihood of held-out folds over forks of two ``starts`` (n, size) and how long.

    The hypotheses are equally likely before (a Bayes mixture), so that a fork that was stopped
    early speaks for itself where labels are noisy.
    """
    checkpoints = [r for r in _ROUNDS if r <= pace.rounds]
    told = np.stack([_held_out(network, batch, start, pace, checkpoints) for start in starts])
    told = told.reshape(-1, *told.shape[2:])  # hypothesis, node, row, class
    evidence = chunk_evidence(told, batch)
    total = logsumexp(evidence, axis=0)
    mixed = np.einsum("hn,hnmk->nmk", np.exp(evidence - total), told)
    models = _forks(network, batch, starts, pace, checkpoints, evidence.argmax(axis=0))
    return NewConcept(total - np.log(len(evidence)), mixed, models)


def _held_out(
    network: Network, batch: Batch, start: Array, pace: Pace, checkpoints: list[int]
) -> Array:
    """Probabilities (checkpoint, n, m, classes) of rows in the fold that was left out."""
    (n, m), rows = batch.y.shape, np.arange(batch.y.shape[1])
    learned = batch.weight[:, None] * (rows % FOLDS != np.arange(FOLDS)[:, None])
    forks, x = np.repeat(start, FOLDS, axis=0), np.repeat(batch.x, FOLDS, axis=0)
    y = np.repeat(batch.y, FOLDS, axis=0)
    adam, done, found = Adam(forks.shape, pace.rate), 0, []
    for checkpoint in checkpoints:
        steps = (checkpoint - done) * pace.local_steps
        forks = network.descend(forks, x, y, learned.reshape(-1, m), adam, steps)
        told = network.probability(forks, x).reshape(n, FOLDS, m, -1)
        found.append(told[:, rows % FOLDS, rows])
        done = checkpoint
    return np.stack(found)


def _forks(
    network: Network, batch: Batch, starts: tuple[Array, Array], pace: Pace,
    checkpoints: list[int], best: NDArray[np.int_],
) -> Array:  # fmt: skip
    """The starts taught by the whole batch, each as its best hypothesis says."""
    found = np.where((best < len(checkpoints))[:, None], *starts)
    for place in np.unique(best % len(checkpoints)):
        mine = np.flatnonzero(best % len(checkpoints) == place)
        steps = checkpoints[place] * pace.local_steps
        found[mine] = network.descend(
            found[mine], batch.x[mine], batch.y[mine], batch.weight[mine],
            Adam(found[mine].shape, pace.rate), steps,
        )  # fmt: skip
    return np.asarray(found)
