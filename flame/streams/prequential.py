"""Prequential evaluation: each batch tests the models before they learn from it."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.errors import FlameError
from flame.streams.classified import counted
from flame.streams.detectors import Watch
from flame.streams.held import held_bytes
from flame.streams.learners.learner import Learner, apart
from flame.streams.networks.base import Array
from flame.streams.stream import Batch, Stream

_EARLIER = 10
"""Number of earlier batches, the most recent ones, on which forgetting is measured."""


def prequential(
    learner: Learner,
    stream: Stream,
    detectors: Sequence[str] = (),
    level: float = 0.01,
) -> pd.DataFrame:
    """Run a learner over a stream, and test each batch before the learner trains on it.

    Args:
        learner: a learner that has begun; it is trained.
        stream: the stream.
        detectors: names of drift detectors to watch the errors of each node.
        level: largest probability of a false alarm of a node in a step, see ``Learner.told``.

    Returns:
        The table of ``Prequential``.

    Raises:
        FlameError: a model is no longer finite.
    """
    run = Prequential(learner, stream.nodes, detectors, level)
    for step, batch in enumerate(stream.batches):
        run.see(batch, stream.concept[step], stream.changed[step])
    return run.rows


class Prequential:
    """Tests a learner on one batch after another, each before the learner trains on it.

    A node that is away in the first round of a step never trains on the batch of that step. The
    object can be pickled after any batch, and goes on from there.

    Args:
        learner: a learner that has begun; it is trained.
        nodes: names of its nodes.
        detectors: names of drift detectors to watch the errors of each node.
        level: largest probability of a false alarm of a node in a step, see ``Learner.told``.
    """

    def __init__(
        self,
        learner: Learner,
        nodes: Sequence[str],
        detectors: Sequence[str] = (),
        level: float = 0.01,
    ) -> None:
        self.learner = learner
        self.nodes = tuple(nodes)
        self.step = 0
        self._watch = Watch(detectors, len(nodes))
        self._level = level
        self._tables: list[pd.DataFrame] = []
        self._trained: Mapping[str, Any] = {}
        self._seen: deque[Batch] = deque(maxlen=_EARLIER + 1)

    def skip(self, steps: int) -> None:
        """Pass steps in which the nodes took no part.

        Args:
            steps: number of steps.
        """
        self.step += steps
        self.learner.skip(steps)

    def see(self, batch: Batch, concept: NDArray[np.int_], changed: NDArray[np.bool_]) -> None:
        """Test the learner on a batch, from the second on, and train it.

        Args:
            batch: the batch of all nodes.
            concept: true concept (n,) of each node; -1 where it is unknown.
            changed: mask (n,) of the nodes whose concept changes.

        Raises:
            FlameError: a model is no longer finite.
        """
        if self._seen:
            self._test(batch, concept, changed)
        self._trained = _train(self.learner, batch, concept)
        if not np.isfinite(self.learner.models).all():
            raise FlameError(
                f"at step {self.step} its models are no longer finite; lower training.rate, or the "
                "rate in its strategy_options"
            )
        if self._tables:
            alarms = self.learner.told(self._level) if self.learner.alarming else np.nan
            self._tables[-1]["alarm"] = alarms
        self._seen.append(batch)
        self.step += 1

    def _test(self, batch: Batch, concept: NDArray[np.int_], changed: NDArray[np.bool_]) -> None:
        probability = self.learner.predict(batch.x)
        predicted = probability.argmax(axis=-1)
        alarms = self._watch.see((predicted != batch.y).astype(float), batch.exists)
        tested = {
            "step": self.step,
            "node": self.nodes,
            "concept": concept,
            "changed": changed,
            "rows": batch.exists.sum(axis=1),
            "accuracy": _share(predicted == batch.truth, batch),
            **counted(probability, batch),
            "earlier": _earlier(self.learner, list(self._seen)[:-1]),
            **{f"alarm_{name}": rows for name, rows in alarms.items()},
        }
        self._tables.append(pd.DataFrame({**tested, **self._trained}))

    @property
    def rows(self) -> pd.DataFrame:
        """A row for each step, from the second on, and each node.

        - ``step``, ``node``, ``concept`` and ``changed``: as in the stream.
        - ``rows``: number of rows of the batch.
        - ``accuracy``: share of true labels predicted before training; NaN without a row.
        - the columns of ``classified.counted``.
        - ``earlier``: mean accuracy on up to ten batches before the previous one.
        - ``alarm_NAME``: row at which the detector raised its first alarm, from 1, or NaN.
          Detectors see errors on the training labels, which may be wrong, as they would at a
          hospital.
        - ``bytes``, ``gradients``, ``held``, ``moved``, ``divergence`` and ``consensus``: of the
          training in the step before. ``bytes`` counts the bytes sent, ``gradients`` those of rows,
          and ``held`` the bytes that the learner remembers, both the mean over nodes. ``moved`` is
          the distance that the mean model moved. The mean distance of the nodes' models from their
          mean is ``divergence`` before they were first mixed, and ``consensus`` at the end; NaN
          where the other nodes are in processes of their own.
        - ``alarm``: whether the learner says that the batch has another concept; NaN where it
          raises no alarms.
        """
        return pd.concat(self._tables, ignore_index=True)


def _train(learner: Learner, batch: Batch, concept: NDArray[np.int_]) -> Mapping[str, Any]:
    """Train on a batch, and return the figures of the training by column."""
    sent_before = learner.exchange.sent
    gradients_before = learner.network.gradients
    nodes = learner.exchange.nodes
    whole = nodes == learner.exchange.everyone
    mean_before = learner.models.mean(axis=0)
    participating = learner.exchange.participating(learner.exchange.number + 1)
    learner.learn(replace(batch, exists=batch.exists & participating[:, None]), concept)
    return {
        "bytes": learner.exchange.sent - sent_before,
        "gradients": (learner.network.gradients - gradients_before) / nodes,
        "held": held_bytes(learner) / nodes,
        "moved": np.linalg.norm(learner.models.mean(axis=0) - mean_before),
        "divergence": learner.divergence if whole else np.nan,
        "consensus": apart(learner.models) if whole else np.nan,
    }


def _share(correct: NDArray[np.bool_], batch: Batch) -> Array:
    """Return the share (n,) of each node's rows that are correct; NaN without a row."""
    rows = batch.exists.sum(axis=1)
    return np.where(rows > 0, (correct & batch.exists).sum(axis=1) / np.maximum(rows, 1), np.nan)


def _earlier(learner: Learner, batches: Sequence[Batch]) -> Array | float:
    """Return the mean accuracy (n,) of each node's present model on earlier batches."""
    scores = [
        _share(learner.predict(batch.x).argmax(axis=-1) == batch.truth, batch) for batch in batches
    ]
    if not scores:
        return float("nan")
    known = np.isfinite(scores)
    total = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, scores, 0).sum(axis=0) / total
    return np.where(known.any(axis=0), mean, np.nan)
