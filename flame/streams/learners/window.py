"""Learning from the last steps together."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.fine_tune import FineTune, Rows
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.networks.base import Network
from flame.streams.stream import Batch


def together(parts: list[Rows]) -> Rows:
    """The rows of several batches."""
    x, y, weight = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return x, y, weight


@LEARNERS.register("window")
@dataclass
class Window(FineTune):
    """The last ``steps`` batches; 0: all of them."""

    steps: int = 3

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise BadInput("methods.options.steps: 0 or more")

    def begin(self, network: Network, exchange: Exchange, pace: Pace, seed: int) -> None:
        """See ``Learner``."""
        super().begin(network, exchange, pace, seed)
        self.seen: list[Rows] = []

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        self.seen = [*self.seen, super().rows(batch)][-self.steps if self.steps else 0 :]
        return together(self.seen)


@LEARNERS.register("decay")
@dataclass
class Decay(Window):
    """A row counts ``kept`` times what it counted a step before; forgotten below 1 in 100."""

    kept: float = 0.5
    steps: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.kept < 1:
            raise BadInput("methods.options.kept: between 0 and 1")

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        enough = int(np.ceil(np.log(0.01) / np.log(self.kept)))
        older = [(x, y, self.kept * weight) for x, y, weight in self.seen]
        self.seen = [*older, FineTune.rows(self, batch)][-enough:]
        return together(self.seen)
