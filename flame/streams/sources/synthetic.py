"""Streams of synthetic concepts on a drift schedule, with a declared share of wrong labels."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Lt

from flame.core.config import Section
from flame.core.errors import BadInput
from flame.streams.networks.base import Array, Labels
from flame.streams.sources.concepts import SOURCES, Between, Source
from flame.streams.sources.schedules import INCREMENTAL, SUDDEN, Plan
from flame.streams.stream import Batch, Stream

CONCEPT_DRIFT = "concept"
"""Value of ``synthetic.drift`` for drift of the concept itself."""
_PRIORS = (0.5, 0.2, 0.8, 0.35)
"""Share of class 0 in each concept of a stream with drift of the labels."""
_TILT = 1.5
"""Strength of covariate drift: change of the log odds of a row for each standard deviation along
the direction of the concept."""
_CANDIDATES = 8
"""Rows that are drawn for each row that covariate drift selects."""


@dataclass(frozen=True)
class SyntheticConfig(Section):
    """Synthetic concepts, and the kind of drift between them."""

    source: str = ""
    """Name of a source of concepts; empty: the stream has another source."""
    samples: Annotated[int, Ge(1)] = 100
    """Rows of each node in each step."""
    noise: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of rows whose training label is wrong; accuracy is measured on the true labels."""
    drift: Literal["concept", "covariate", "label"] = "concept"
    """What changes with the schedule: which label belongs to features (concept), the distribution
    of features (covariate), or the share of each class (label)."""


def synthetic_stream(config: SyntheticConfig, plan: Plan, seed: int) -> Stream:
    """Draw the stream of a plan.

    Args:
        config: source, noise and kind of drift.
        plan: concept of every step and node.
        seed: decides features and label noise, but not the plan.

    Returns:
        The stream, whose nodes are ``node-1`` and so on.

    Raises:
        BadInput: the source is unknown, has fewer concepts than the plan, or has no intermediate
            concepts where drift is incremental.

    Example:
        >>> from flame.streams.sources.schedules import ScheduleConfig, plan_of
        >>> plan = plan_of(ScheduleConfig(nodes=2, steps=3, at=(1,), order=(0, 1)), None, seed=0)
        >>> stream = synthetic_stream(SyntheticConfig("sea", samples=5), plan, seed=0)
        >>> stream.batches[0].x.shape, stream.concept.tolist()
        ((2, 5, 3), [[0, 0], [1, 1], [1, 1]])
    """
    source = SOURCES[config.source]
    if plan.manner == INCREMENTAL and not (source.continuous and config.drift == CONCEPT_DRIFT):
        raise BadInput(
            f"synthetic.source {config.source} has no intermediate concepts (with drift = "
            f"'{config.drift}'): choose schedule.manner = 'gradual' or 'sudden'"
        )
    concepts = source.concepts if config.drift == CONCEPT_DRIFT else len(_PRIORS)
    plan = plan.within(concepts)
    rng = np.random.default_rng(seed)
    batches = []
    for step in range(len(plan.share)):
        drawn = [_node(config, source, plan, step, node, rng) for node in range(plan.nodes)]
        x, truth = (np.stack(part) for part in zip(*drawn, strict=True))
        y = _noisy(truth, config.noise, source.classes, rng)
        batches.append(Batch(x, y, truth, np.ones(y.shape, bool)))
    names = tuple(f"node-{k + 1}" for k in range(plan.nodes))
    classes = tuple(map(str, range(source.classes)))
    return Stream(
        names,
        classes,
        tuple(batches),
        plan.concept,
        simulated=True,
        moving=None if plan.manner == SUDDEN else plan.moving,
    )


def _node(
    config: SyntheticConfig,
    source: Source,
    plan: Plan,
    step: int,
    node: int,
    rng: np.random.Generator,
) -> tuple[Array, Labels]:
    """Draw the features and true labels of a node in a step."""
    old = plan.before[step, node]
    new = plan.after[step, node]
    share = plan.share[step, node]
    if plan.manner == INCREMENTAL:
        return _drawn(config, source, Between(old, new, share), config.samples, rng)
    if old == new or share >= 1:
        return _drawn(config, source, Between(new, new, 0.0), config.samples, rng)
    count = int(rng.binomial(config.samples, share))
    parts = [
        _drawn(config, source, Between(concept, concept, 0.0), rows, rng)
        for concept, rows in ((old, config.samples - count), (new, count))
        if rows
    ]
    order = rng.permutation(config.samples)
    return tuple(np.concatenate(part)[order] for part in zip(*parts, strict=True))  # type: ignore[return-value]


def _drawn(
    config: SyntheticConfig, source: Source, at: Between, count: int, rng: np.random.Generator
) -> tuple[Array, Labels]:
    """Draw features and true labels of rows under a concept."""
    if config.drift == CONCEPT_DRIFT:
        x = source.features(count, rng)
        return source.seen(x, at), source.label(x, at)
    first = Between(0, 0, 0.0)
    if config.drift == "label":
        x = _by_class(source, count, _PRIORS[at.nearest], rng)
        return source.seen(x, first), source.label(x, first)
    x = source.features(count * _CANDIDATES, rng)
    seen = source.seen(x, first)
    y = source.label(x, first)
    odds = _tilt(seen, at.nearest)
    chosen = rng.choice(len(y), count, replace=False, p=odds / odds.sum())
    return seen[chosen], y[chosen]


def _by_class(source: Source, count: int, prior: float, rng: np.random.Generator) -> Array:
    """Draw raw features of rows that are of class 0 with probability ``prior``."""
    to_be_zero = rng.random(count) < prior
    candidates = source.features(count, rng)
    while True:
        zero = source.label(candidates, Between(0, 0, 0.0)) == 0
        if zero.sum() >= to_be_zero.sum() and (~zero).sum() >= (~to_be_zero).sum():
            break
        candidates = np.concatenate([candidates, source.features(count, rng)])
    chosen = np.empty((count, *candidates.shape[1:]), candidates.dtype)
    chosen[to_be_zero] = candidates[zero][: to_be_zero.sum()]
    chosen[~to_be_zero] = candidates[~zero][: (~to_be_zero).sum()]
    return chosen


def _tilt(seen: Array, concept: int) -> Array:
    """Return the odds (row,) of each row along the direction of a concept; 1 in concept 0."""
    if concept == 0:
        return np.ones(len(seen))
    direction = np.random.default_rng([7, concept]).normal(size=seen.shape[1])
    along = seen @ direction / np.linalg.norm(direction)
    return np.asarray(np.exp(_TILT * along / max(float(along.std()), 1e-9)))


def _noisy(truth: Labels, share: float, classes: int, rng: np.random.Generator) -> Labels:
    """Replace a share of labels by another class."""
    wrong = (truth + rng.integers(1, classes, truth.shape)) % classes
    return np.where(rng.random(truth.shape) < share, wrong, truth)
