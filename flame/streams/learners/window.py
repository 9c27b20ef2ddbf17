"""Learners that train on the batches of the last steps together: window and decay."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import BadInput
from flame.streams.exchange import Exchange
from flame.streams.learners.fine_tune import FineTune, Rows
from flame.streams.learners.learner import LEARNERS, Pace
from flame.streams.networks.base import Network
from flame.streams.stream import Batch

_LOWEST_WEIGHT = 0.01
"""Weight of a row below which ``decay`` drops its batch."""


def together(parts: list[Rows]) -> Rows:
    """Concatenate the rows of several batches at each node.

    Args:
        parts: features (n, m, ...), labels (n, m) and weights (n, m) of each batch.

    Returns:
        Features, labels and weights whose m is the sum over the batches.
    """
    x, y, weight = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
    return x, y, weight


@LEARNERS.register("window")
@dataclass
class Window(FineTune):
    """Trains on the last batches together, each row with weight 1.

    Args:
        steps: number of batches; 0: all of them.

    Example:
        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = Window(steps=2)
        >>> learner.begin(MLP(1, 1), alone, Pace(), seed=0)
        >>> for step in range(3):
        ...     _, labels, weight = learner.rows(batch)
        >>> labels.tolist()
        [[0, 1, 0, 1]]
    """

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
    """Trains on earlier batches with falling weights: a row that is t steps old has weight kept^t.

    A batch is dropped once its weight is below 0.01.

    Args:
        kept: share of its weight that a row keeps at each step, between 0 and 1.
        steps: not used.

    Example:
        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = Decay(kept=0.5)
        >>> learner.begin(MLP(1, 1), alone, Pace(), seed=0)
        >>> for step in range(3):
        ...     _, labels, weight = learner.rows(batch)
        >>> weight.tolist()
        [[0.25, 0.25, 0.5, 0.5, 1.0, 1.0]]
    """

    kept: float = 0.5
    steps: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.kept < 1:
            raise BadInput("methods.options.kept: between 0 and 1")

    def rows(self, batch: Batch) -> Rows:
        """See ``FineTune``."""
        steps = int(np.ceil(np.log(_LOWEST_WEIGHT) / np.log(self.kept)))
        older = [(x, y, self.kept * weight) for x, y, weight in self.seen]
        self.seen = [*older, FineTune.rows(self, batch)][-steps:]
        return together(self.seen)
