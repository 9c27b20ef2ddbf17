"""Drift schedules: which concept each node has in each step, published or described.

The published schedules are those of FedDrift (MIT licence): ten nodes, ten steps for training and
one more for testing. A schedule has a word for each step, with a digit for the concept of each
node. With a source of two concepts, every digit but 0 counts as 1. A source of three concepts
cannot have a schedule with four.

Reference:
    Jothimurugesan 2023, arXiv:2206.00799.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import networkx as nx
import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.federation.gossip.topology import Links

# values of schedule.manner
SUDDEN = "sudden"
GRADUAL = "gradual"
INCREMENTAL = "incremental"
# values of schedule.spread
TOGETHER = "together"
STAGGERED = "staggered"
ALONG_GRAPH = "along-graph"
MADE = "made"
"""Name of a schedule that is described by the other keys of its configuration."""

SCHEDULES: Registry[str] = Registry("drift schedule")
_PUBLISHED = {
    "A": (
        "0000000000 0100000000 0100000100 0111010100 0111010110 1011011010 "
        "1001001010 1000101011 1000101001 1000101001 1000101001"
    ),
    "B": (
        "0000000000 1110000000 1112220000 2212222100 2221222130 2321233130 "
        "3321133210 3033133213 0033313223 0003311322 0003311322"
    ),
    "C": (
        "0000000000 1112220000 1112220030 2211222130 2221232130 2321133130 "
        "3323133210 3033313213 0033313223 0003311322 0003311322"
    ),
    "D": (
        "1112220033 1112220033 2211222032 2221232002 2321133002 3323133202 "
        "3033313201 0033313221 0003311321 0003311321 0003311321"
    ),
    "E": (
        "0000000000 1113330000 1113330020 3311333120 3331323120 3231122120 "
        "2232122310 2022212312 0022212332 0002211233 0002211233"
    ),
    "F": (
        "0000000000 0000000000 1112220000 1112220030 2211222130 2221232130 "
        "2321133133 3323133213 3033313213 0033312223 0033312223"
    ),
    "R0": (
        "0000000000 0000000000 0111320212 0111320212 2103222120 2103222120 "
        "2210113323 2210113323 1030032310 1030032310 1030032310"
    ),
    "R5": (
        "0000000000 0000000000 2302131313 2302131313 1121020233 1121020233 "
        "1010032330 1010032330 0230032102 0230032102 0230032102"
    ),
    "W": (
        "0000000000 0000000000 0100000100 0100000100 0111010100 0111010110 "
        "1111011110 1111011110 1111111111 1111111111 1111111111"
    ),
    "X": (
        "0000000000 0100000000 0100000000 0100000100 0111010100 0111010110 "
        "1111011110 1111011110 1111111111 1111111111 1111111111"
    ),
}
"""Schedules by name: a word for each step, with a digit for the concept of each node."""
for _name, _rows in _PUBLISHED.items():
    SCHEDULES.register(_name)(_rows)
SCHEDULES.register(MADE)("")


@dataclass(frozen=True)
class ScheduleConfig(Section):
    """A published drift schedule by its name, or one that the other keys describe."""

    name: str = MADE
    """Name of a published schedule, or ``made``: the keys below describe it."""
    nodes: Annotated[int, Ge(1)] = 10
    """Number of nodes."""
    steps: Annotated[int, Ge(2)] = 11
    """Steps of the stream."""
    at: tuple[int, ...] = ()
    """Steps at which a change begins, rising, from 1."""
    order: tuple[Annotated[int, Ge(0)], ...] = (0,)
    """Concepts in the order in which they follow each other; in 0, 1, 0 the first one recurs."""
    manner: Literal["sudden", "gradual", "incremental"] = "sudden"
    """Gradual: a growing share of rows comes from the new concept. Incremental: the concept itself
    moves from the old to the new one."""
    width: Annotated[int, Ge(1)] = 1
    """Steps that a gradual or incremental change takes."""
    spread: Literal["together", "staggered", "along-graph"] = "together"
    """Whether a change reaches all nodes in the same step, each node after a random delay, or each
    node after a delay for every link from a random first node."""
    delay: Annotated[int, Ge(0)] = 1
    """Longest delay of a staggered change, or the delay for each link along the graph, in steps."""

    def rules(self) -> Iterator[Rule]:
        """Changes fit into the stream and do not overlap, and each has a concept."""
        SCHEDULES[self.name]
        made = self.name == MADE
        yield list(self.at) == sorted(set(self.at)), "schedule.at: steps in rising order"
        yield (
            not made or all(0 < at < self.steps for at in self.at),
            f"schedule.at: steps from 1 to {self.steps - 1} (steps are counted from 0)",
        )
        yield (
            min(np.diff(self.at), default=self.width) >= self.width,
            "schedule.at: a change begins before the previous one ends; leave at least "
            "schedule.width steps between them",
        )
        yield (
            self.manner != SUDDEN or self.width == 1,
            "schedule.width: sudden changes have no width; leave it out",
        )
        yield (
            self.spread != TOGETHER or self.delay == 1,
            "schedule.delay: nodes that change together have no delay; leave it out",
        )
        yield (
            not made or len(self.order) == len(self.at) + 1,
            "schedule.order: needs one concept more than schedule.at has steps",
        )
        yield (
            made or {**vars(self), "name": MADE} == vars(ScheduleConfig()),
            f"schedule.name {self.name} is published with its own nodes, steps and changes: leave "
            "out the other keys of schedule, or the name",
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """The concepts of a stream in every step at every node.

    Args:
        before: concept before the latest change (step, node).
        after: concept after it (step, node).
        share: progress of the change (step, node), 0 to 1.
        manner: sudden, gradual or incremental.
        published: whether the schedule is a published one.
    """

    before: NDArray[np.int_]
    after: NDArray[np.int_]
    share: NDArray[np.float64]
    manner: str = SUDDEN
    published: bool = False

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return int(self.share.shape[1])

    @property
    def concept(self) -> NDArray[np.int_]:
        """Concept (step, node): the new one from half of the change on, before that the old one."""
        return np.where(self.share >= 0.5, self.after, self.before)

    @property
    def moving(self) -> NDArray[np.bool_]:
        """Mask (step, node) of the steps at which a change begins or continues."""
        states = np.stack([self.before, self.after, self.share])
        moved = np.any(states[:, 1:] != states[:, :-1], axis=0) & (self.before != self.after)[1:]
        return np.vstack([np.zeros((1, self.nodes), bool), moved])

    def within(self, concepts: int) -> "Plan":
        """Fit the plan to a source with this number of concepts.

        Args:
            concepts: number of concepts of the source.

        Returns:
            The plan. In a published schedule for a source with two concepts, every concept but 0
            becomes 1.

        Raises:
            BadInput: the plan has a concept that the source does not have.
        """
        if self.published and concepts == 2:
            return replace(self, before=self.before.clip(max=1), after=self.after.clip(max=1))
        most = max(int(self.before.max()), int(self.after.max()))
        if most >= concepts:
            raise BadInput(
                f"schedule: concept {most} does not exist, as the source has the concepts 0 to "
                f"{concepts - 1}; choose another schedule.order, or another published schedule"
            )
        return self


def plan_of(config: ScheduleConfig, links: Links | None, seed: int) -> Plan:
    """Expand a schedule to the concepts of every step and node.

    Args:
        config: the schedule.
        links: links (node, node) along which drift spreads; None: no graph.
        seed: decides the first node, or the delays of a staggered change.

    Returns:
        The plan that the schedule describes.

    Raises:
        BadInput: drift spreads along a graph that is missing, or does not reach every node.

    Example:
        >>> changes = {"at": (2,), "order": (0, 1), "manner": "gradual", "width": 2}
        >>> schedule = ScheduleConfig(nodes=1, steps=6, **changes)
        >>> plan_of(schedule, None, seed=0).share.ravel().tolist()
        [1.0, 1.0, 0.5, 1.0, 1.0, 1.0]
    """
    if config.name != MADE:
        rows = [[int(digit) for digit in row] for row in SCHEDULES[config.name].split()]
        concept = np.array(rows)
        return Plan(concept, concept, np.ones(concept.shape), published=True)
    delay = _delays(config, links, np.random.default_rng([seed, 11]))
    step = np.arange(config.steps)[:, None]
    before = np.full((config.steps, config.nodes), config.order[0])
    after = before.copy()
    share = np.ones(before.shape)
    width = config.width if config.manner != SUDDEN else 1
    for at, old, new in zip(config.at, config.order, config.order[1:], strict=False):
        since = step - (at + delay)
        begun = since >= 0
        before = np.where(begun, old, before)
        after = np.where(begun, new, after)
        share = np.where(begun, np.minimum((since + 1) / width, 1), share)
    return Plan(before, after, share, config.manner)


def _delays(
    config: ScheduleConfig, links: Links | None, rng: np.random.Generator
) -> NDArray[np.int_]:
    """Return the number of steps (node,) by which a change is delayed at each node."""
    if config.spread == STAGGERED:
        return np.asarray(rng.integers(0, config.delay + 1, config.nodes))
    if config.spread == TOGETHER:
        return np.zeros(config.nodes, int)
    if links is None:
        raise BadInput("schedule.spread = 'along-graph' needs a topology: set [gossip]")
    graph = nx.from_numpy_array(links | links.T)
    hops = nx.single_source_shortest_path_length(graph, int(rng.integers(config.nodes)))
    if len(hops) < config.nodes:
        raise BadInput("schedule.spread = 'along-graph': the graph does not reach every node")
    return np.array([hops[k] * config.delay for k in range(config.nodes)])
