"""Streams of synthetic concepts on a schedule, with label noise as declared."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import BadInput
from flame.streams.networks.base import Array, Labels
from flame.streams.sources.concepts import SOURCES, Between, Source
from flame.streams.sources.schedules import INCREMENTAL, SUDDEN, Plan
from flame.streams.stream import Batch, Stream

DRIFTS = ("concept", "covariate", "label")
_PRIORS = (0.5, 0.2, 0.8, 0.35)
_TILT = 1.5
_CANDIDATES = 8


@dataclass(frozen=True)
class SyntheticConfig:
    """``samples`` a node and step, of which a share ``noise`` has a wrong label to learn from.

    ``drift`` is of the concept (which y belongs to an x), covariate (which x come: tilted to
    another side a concept) or label (which share of rows has each class).
    """

    source: str = ""
    samples: int = 100
    noise: float = 0.0
    drift: str = "concept"

    def __post_init__(self) -> None:
        if self.drift not in DRIFTS:
            raise BadInput(f"synthetic.drift: one of {', '.join(DRIFTS)}")
        if self.samples < 1 or not 0 <= self.noise < 1:
            raise BadInput("synthetic.samples: 1 or more; synthetic.noise: from 0 to below 1")


def synthetic_stream(config: SyntheticConfig, plan: Plan, seed: int) -> Stream:
    """The stream of a plan; ``seed`` decides features and noise, not the plan."""
    source = SOURCES[config.source]
    if plan.manner == INCREMENTAL and not (source.continuous and config.drift == DRIFTS[0]):
        raise BadInput(
            f"synthetic.source {config.source} has nothing between two concepts (with "
            f"drift = '{config.drift}'): choose schedule.manner = 'gradual' or 'sudden'"
        )
    concepts = source.concepts if config.drift == DRIFTS[0] else len(_PRIORS)
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
    old, new, share = plan.before[step, node], plan.after[step, node], plan.share[step, node]
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
    if config.drift == DRIFTS[0]:
        x = source.features(count, rng)
        return source.seen(x, at), source.label(x, at)
    first = Between(0, 0, 0.0)
    if config.drift == "label":
        x = _by_class(source, count, _PRIORS[at.nearest], rng)
        return source.seen(x, first), source.label(x, first)
    x = source.features(count * _CANDIDATES, rng)
    seen, y = source.seen(x, first), source.label(x, first)
    odds = _tilt(seen, at.nearest)
    chosen = rng.choice(len(y), count, replace=False, p=odds / odds.sum())
    return seen[chosen], y[chosen]


def _by_class(source: Source, count: int, prior: float, rng: np.random.Generator) -> Array:
    """Features of rows of which each is of class 0 with probability ``prior``."""
    wanted = rng.random(count) < prior
    found = source.features(count, rng)
    while True:
        zero = source.label(found, Between(0, 0, 0.0)) == 0
        if zero.sum() >= wanted.sum() and (~zero).sum() >= (~wanted).sum():
            break
        found = np.concatenate([found, source.features(count, rng)])
    chosen = np.empty((count, *found.shape[1:]), found.dtype)
    chosen[wanted] = found[zero][: wanted.sum()]
    chosen[~wanted] = found[~zero][: (~wanted).sum()]
    return chosen


def _tilt(seen: Array, at: int) -> Array:
    if at == 0:
        return np.ones(len(seen))
    way = np.random.default_rng([7, at]).normal(size=seen.shape[1])
    along = seen @ way / np.linalg.norm(way)
    return np.asarray(np.exp(_TILT * along / max(float(along.std()), 1e-9)))


def _noisy(truth: Labels, share: float, classes: int, rng: np.random.Generator) -> Labels:
    """Labels of which ``share`` are another class."""
    other = (truth + rng.integers(1, classes, truth.shape)) % classes
    return np.where(rng.random(truth.shape) < share, other, truth)
