"""A learner that stops local training when the loss falls no further: the sites of FLASH."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import BadInput
from flame.streams.learners.fine_tune import FineTune, Rows
from flame.streams.learners.learner import LEARNERS
from flame.streams.networks.base import Adam, Array, log_loss, shares


@LEARNERS.register("early-stop")
@dataclass
class EarlyStop(FineTune):
    """A node stops a round's local training after step e, from 0, once its loss fell too little.

    It stops where the loss fell by more than 0 and less than least / (e + 1). With the strategy
    ``flash`` at a server this is FLASH.

    Args:
        least: fall of the loss that the first step has to exceed, 0 or more.

    Reference:
        Panchal 2023, proceedings.mlr.press/v202/panchal23a.

    Example:
        No fall exceeds 1e9, so there is one step of Adam, which moves weights by the learning rate.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> from flame.streams.exchange import Alone
        >>> from flame.streams.learners.learner import Pace
        >>> from flame.streams.networks.mlp import MLP
        >>> from flame.streams.stream import padded
        >>> x, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
        >>> batch = padded([(x, y, y)], shape=(1,))
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a",)), "", {}, rate=0.02)
        >>> learner = EarlyStop(least=1e9)
        >>> learner.begin(MLP(1, 4), alone, Pace(rate=0.02), seed=0)
        >>> trained = learner.train(learner.rows(batch), Adam(learner.models.shape, rate=0.02))
        >>> float(np.abs(trained - learner.models).max().round(3))
        0.02
    """

    least: float = 0.004

    def __post_init__(self) -> None:
        if self.least < 0:
            raise BadInput("methods.options.least: 0 or more")

    def train(self, rows: Rows, adam: Adam) -> Array:
        """See ``FineTune``."""
        x, y, weight = rows
        slope = self.slope(rows, self.corrections())
        models = self.models
        active = np.ones(len(x), bool)
        last_loss = np.full(len(x), np.inf)
        for step in range(self.pace.local_steps):
            loss = (log_loss(self.network.logits(models, x), y) * shares(weight)).sum(axis=1)
            fall = last_loss - loss
            active &= ~((fall > 0) & (fall < self.least / (step + 1)))
            adam.who = adam.who & active
            models = adam.step(models, slope(models))
            last_loss = loss
        return models
