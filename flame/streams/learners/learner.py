"""What learns from streams: every node gets a batch a step, after it was tested on it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flame.core.config import build
from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.streams.exchange import Exchange
from flame.streams.networks.base import Adam, Array, Network
from flame.streams.stream import Batch


@dataclass(frozen=True)
class Pace:
    """A step's training: ``rounds`` of ``local_steps`` of Adam at ``rate`` on a whole batch.

    ``annealed``: the rate falls to 0 over the rounds, each by the same amount. At a constant rate
    nodes of a sparse graph stay as far apart as a round of training moves them (Yuan 2016,
    10.1137/130943170).
    """

    rounds: int = 40
    local_steps: int = 5
    rate: float = 0.02
    annealed: bool = False

    def __post_init__(self) -> None:
        if min(self.rounds, self.local_steps) < 1 or not 0 < self.rate <= 1:
            raise BadInput("training.rounds and local_steps: 1 or more; rate: above 0, at most 1")

    def rate_of(self, number: int) -> float:
        """The rate of a step's round, from 0."""
        return self.rate * (1 - number / self.rounds) if self.annealed else self.rate


class Learner:
    """Models of all nodes; a dataclass whose fields are its options.

    ``alarms`` (n,) says which nodes took the newest batch for another concept; ``divergence`` how
    far their models lay from their mean after a step's first training, before they were mixed.

    ``is_told`` says that it is told the true concepts, which nobody knows outside a simulation;
    ``alarming`` that it raises alarms; ``mixes`` that its one model a node is mixed by the strategy
    or the gossip method, where others average by what each node learned from.
    """

    is_told: ClassVar[bool] = False
    alarming: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    divergence: float = float("nan")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """Start all nodes from the same weights."""
        self.network, self.exchange, self.pace = network, exchange, pace
        rng = np.random.default_rng([seed, 1])  # not what the stream of the seed is drawn with
        self.start = np.tile(network.start(rng), (exchange.nodes, 1))
        self.models = self.start
        self.alarms = np.zeros(exchange.nodes, bool)

    def learn(self, batch: Batch, concept: NDArray[np.int_]) -> None:
        """Learn from a batch; ``concept`` (n,) is for those that are told."""
        raise NotImplementedError

    def rounds(
        self, adams: Iterable[Adam], first: int = 0, many: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Go through a step's rounds, all or ``many`` from ``first`` on: number, who takes part.

        Each ``Adam`` has the rate of the round, and moves those who take part.
        """
        last = self.pace.rounds if many is None else first + many
        for number in range(first, last):
            there = self.exchange.next()
            for adam in adams:
                adam.rate, adam.who = self.pace.rate_of(number), there
            yield number, there

    def predict(self, x: Array) -> Array:
        """Probability (n, m, classes) of features (n, m, ...)."""
        return self.network.probability(self.models, x)


def apart(models: Array) -> float:
    """Mean distance of nodes' models from their mean."""
    return float(np.linalg.norm(models - models.mean(axis=0), axis=1).mean())


LEARNERS: Registry[type[Learner]] = Registry("stream learner")


def open_learner(name: str, options: Mapping[str, float]) -> Learner:
    """The learner with its options."""
    return build(LEARNERS[name], dict(options), f"learner '{name}'", "methods.options.")
