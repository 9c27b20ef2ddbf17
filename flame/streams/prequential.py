"""Prequential evaluation: each batch tests the models before they learn from it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from flame.core.errors import FlameError
from flame.streams.detectors import Watch
from flame.streams.learners.learner import Learner, apart
from flame.streams.networks.base import Array
from flame.streams.stream import Batch, Stream

_EARLIER = 10
"""Number of earlier batches that forgetting is measured on: the most recent ones."""


def prequential(
    learner: Learner,
    stream: Stream,
    detectors: Sequence[str] = (),
) -> pd.DataFrame:
    """Run a learner over a stream, testing each batch before it is learned from.

    A node that is away in the first round of a step never learns from the batch of that step.

    Args:
        learner: a learner that has begun; it is trained.
        stream: the stream.
        detectors: names of drift detectors to watch the errors of each node.

    Returns:
        A row for each step, from the second on, and each node, with the columns:

        - ``step``, ``node``, ``concept`` and ``changed``: as in the stream.
        - ``rows``: number of rows of the batch.
        - ``accuracy``: share of true labels predicted before training; NaN without a row.
        - ``earlier``: mean accuracy on up to ten batches before the previous one.
        - ``alarm_NAME``: row at which the detector first alarmed, from 1, or NaN. Detectors see
          errors on the training labels, which may be wrong, as they would at a hospital.
        - ``bytes``, ``moved``, ``divergence`` and ``consensus``: of the training in the step
          before. Bytes sent; distance that the mean model moved; mean distance of the nodes'
          models from their mean, before they were first mixed and at the end.
        - ``alarm``: whether the learner took the batch for another concept; NaN where it raises
          no alarms.

    Raises:
        FlameError: a model is no longer finite.
    """
    watch, found = Watch(detectors, len(stream.nodes)), list[pd.DataFrame]()
    trained: Mapping[str, Any] = {}
    for step, batch in enumerate(stream.batches):
        if step:
            told = learner.predict(batch.x).argmax(axis=-1)
            older = stream.batches[max(0, step - 1 - _EARLIER) : step - 1]
            alarms = watch.see((told != batch.y).astype(float), batch.there)
            tested = {
                "step": step,
                "node": stream.nodes,
                "concept": stream.concept[step],
                "changed": stream.changed[step],
                "rows": batch.there.sum(axis=1),
                "accuracy": _share(told == batch.truth, batch),
                "earlier": _earlier(learner, older),
                **{f"alarm_{name}": rows for name, rows in alarms.items()},
            }
            found.append(pd.DataFrame({**tested, **trained}))
        trained = _train(learner, batch, stream.concept[step])
        if not np.isfinite(learner.models).all():
            raise FlameError(
                f"at step {step} its models are no numbers any more; lower training.rate, or the "
                "rate of its strategy_options"
            )
        if found:
            found[-1]["alarm"] = learner.alarms if learner.alarming else np.nan
    return pd.concat(found, ignore_index=True)


def _train(learner: Learner, batch: Batch, concept: NDArray[np.int_]) -> Mapping[str, Any]:
    sent, before = learner.exchange.sent, learner.models.mean(axis=0)
    here = learner.exchange.peers.participating(learner.exchange.number + 1)
    learner.learn(replace(batch, there=batch.there & here[:, None]), concept)
    return {
        "bytes": learner.exchange.sent - sent,
        "moved": np.linalg.norm(learner.models.mean(axis=0) - before),
        "divergence": learner.divergence,
        "consensus": apart(learner.models),
    }


def _share(right: NDArray[np.bool_], batch: Batch) -> Array:
    rows = batch.there.sum(axis=1)
    return np.where(rows > 0, (right & batch.there).sum(axis=1) / np.maximum(rows, 1), np.nan)


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
