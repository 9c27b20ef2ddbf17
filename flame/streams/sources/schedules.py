"""When which node changes to which concept: published schedules and made ones.

The published ones are FedDrift's (Jothimurugesan 2023, arXiv:2206.00799; MIT licence): ten nodes,
ten steps to learn from and one more to test on, a row a step and a digit a node. Of sources with
two concepts every other digit counts as 1; sources with three cannot have those with four.
"""

from dataclasses import dataclass, replace

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.federation.gossip.topology import Links

SUDDEN, GRADUAL, INCREMENTAL = MANNERS = ("sudden", "gradual", "incremental")
TOGETHER, STAGGERED, ALONG_GRAPH = SPREADS = ("together", "staggered", "along-graph")
MADE = "made"

SCHEDULES: Registry[str] = Registry("drift schedule")
_PUBLISHED = {
    "A": "0000000000 0100000000 0100000100 0111010100 0111010110 1011011010 1001001010 1000101011 1000101001 1000101001 1000101001",  # noqa: E501
    "B": "0000000000 1110000000 1112220000 2212222100 2221222130 2321233130 3321133210 3033133213 0033313223 0003311322 0003311322",  # noqa: E501
    "C": "0000000000 1112220000 1112220030 2211222130 2221232130 2321133130 3323133210 3033313213 0033313223 0003311322 0003311322",  # noqa: E501
    "D": "1112220033 1112220033 2211222032 2221232002 2321133002 3323133202 3033313201 0033313221 0003311321 0003311321 0003311321",  # noqa: E501
    "E": "0000000000 1113330000 1113330020 3311333120 3331323120 3231122120 2232122310 2022212312 0022212332 0002211233 0002211233",  # noqa: E501
    "F": "0000000000 0000000000 1112220000 1112220030 2211222130 2221232130 2321133133 3323133213 3033313213 0033312223 0033312223",  # noqa: E501
    "R0": "0000000000 0000000000 0111320212 0111320212 2103222120 2103222120 2210113323 2210113323 1030032310 1030032310 1030032310",  # noqa: E501
    "R5": "0000000000 0000000000 2302131313 2302131313 1121020233 1121020233 1010032330 1010032330 0230032102 0230032102 0230032102",  # noqa: E501
    "W": "0000000000 0000000000 0100000100 0100000100 0111010100 0111010110 1111011110 1111011110 1111111111 1111111111 1111111111",  # noqa: E501
    "X": "0000000000 0100000000 0100000000 0100000100 0111010100 0111010110 1111011110 1111011110 1111111111 1111111111 1111111111",  # noqa: E501
}
for _name, _rows in _PUBLISHED.items():
    SCHEDULES.register(_name)(_rows)
SCHEDULES.register(MADE)("")


@dataclass(frozen=True)
class ScheduleConfig:
    """A published schedule by its letter, or ``made`` of what follows.

    Concepts change in ``order`` at the steps ``at``, in a manner: sudden, gradual (more and more
    rows of the new concept over ``width`` steps) or incremental (the concept itself moves so). The
    change reaches all nodes together, each up to ``delay`` steps later (staggered), or ``delay``
    steps later a link, from one node on (along-graph). An order such as 0, 1, 0 recurs.
    """

    name: str = MADE
    nodes: int = 10
    steps: int = 11
    at: tuple[int, ...] = ()
    order: tuple[int, ...] = (0,)
    manner: str = SUDDEN
    width: int = 1
    spread: str = TOGETHER
    delay: int = 1

    def __post_init__(self) -> None:
        SCHEDULES[self.name]
        for holds, message in (
            (self.manner in MANNERS, f"schedule.manner: one of {', '.join(MANNERS)}"),
            (self.spread in SPREADS, f"schedule.spread: one of {', '.join(SPREADS)}"),
            (self.nodes >= 1 and self.steps >= 2, "schedule.nodes: 1 or more; steps: 2 or more"),
            (self.width >= 1 and self.delay >= 0, "schedule.width: 1 or more; delay: 0 or more"),
            (list(self.at) == sorted(set(self.at)), "schedule.at: steps in rising order"),
            (
                self.name != MADE or all(0 < at < self.steps for at in self.at),
                f"schedule.at: steps from 1 to {self.steps - 1}, of {self.steps} from 0 on",
            ),
            (
                min(np.diff(self.at), default=self.width) >= self.width,
                "schedule.at: a change begins before the last is over; leave schedule.width steps",
            ),
            (self.manner != SUDDEN or self.width == 1, "schedule.width: sudden changes have none"),
            (
                self.spread != TOGETHER or self.delay == 1,
                "schedule.delay: nodes that change together have none",
            ),
            (
                self.name != MADE or len(self.order) == len(self.at) + 1,
                "schedule.order: one concept more than there are steps in schedule.at",
            ),
            (min(self.order, default=0) >= 0, "schedule.order: concepts are 0, 1, ..."),
            (
                self.name == MADE or replace(self, name=MADE) == ScheduleConfig(),
                f"schedule.name {self.name} is published, and has nodes, steps and changes of its "
                "own: leave out the rest, or the name",
            ),
        ):
            if not holds:
                raise BadInput(message)


@dataclass(frozen=True, eq=False)
class Plan:
    """Of every (step, node): the concept before, that after, and the share of the latter."""

    before: NDArray[np.int_]
    after: NDArray[np.int_]
    share: NDArray[np.float64]
    manner: str = SUDDEN
    published: bool = False

    @property
    def nodes(self) -> int:
        """How many."""
        return int(self.share.shape[1])

    @property
    def concept(self) -> NDArray[np.int_]:
        """That of most rows (step, node)."""
        return np.where(self.share >= 0.5, self.after, self.before)

    @property
    def moving(self) -> NDArray[np.bool_]:
        """Where (step, node) more rows are of the concept after than a step before."""
        pairs = np.stack([self.before, self.after, self.share])
        found = np.any(pairs[:, 1:] != pairs[:, :-1], axis=0) & (self.before != self.after)[1:]
        return np.vstack([np.zeros((1, self.nodes), bool), found])

    def within(self, concepts: int) -> "Plan":
        """Of a source with so many concepts; of published ones any but the first is one of two."""
        if self.published and concepts == 2:
            return replace(self, before=self.before.clip(max=1), after=self.after.clip(max=1))
        most = max(int(self.before.max()), int(self.after.max()))
        if most >= concepts:
            raise BadInput(
                f"schedule: this source has the concepts 0 to {concepts - 1}, and no {most}; "
                "choose another schedule.order, or a published schedule that goes with it"
            )
        return self


def plan_of(config: ScheduleConfig, links: Links | None, seed: int) -> Plan:
    """The plan; ``links`` are those along which drift spreads, ``seed`` decides from where."""
    if config.name != MADE:
        rows = [[int(digit) for digit in row] for row in SCHEDULES[config.name].split()]
        found = np.array(rows)
        return Plan(found, found, np.ones(found.shape), published=True)
    later = _later(config, links, np.random.default_rng([seed, 11]))
    step = np.arange(config.steps)[:, None]
    before = np.full((config.steps, config.nodes), config.order[0])
    after, share = before.copy(), np.ones(before.shape)
    width = config.width if config.manner != SUDDEN else 1
    for at, old, new in zip(config.at, config.order, config.order[1:], strict=False):
        since = step - (at + later)
        begun = since >= 0
        before, after = np.where(begun, old, before), np.where(begun, new, after)
        share = np.where(begun, np.minimum((since + 1) / width, 1), share)
    return Plan(before, after, share, config.manner)


def _later(
    config: ScheduleConfig, links: Links | None, rng: np.random.Generator
) -> NDArray[np.int_]:
    """Steps (node,) by which a change reaches a node late."""
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
