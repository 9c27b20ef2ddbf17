"""A node that stops when its loss falls no further: the sites' half of FLASH."""

from dataclasses import dataclass

import numpy as np

from flame.core.errors import BadInput
from flame.streams.learners.fine_tune import FineTune, Rows
from flame.streams.learners.learner import LEARNERS
from flame.streams.networks.base import Adam, Array, log_loss, shares


@LEARNERS.register("early-stop")
@dataclass
class EarlyStop(FineTune):
    """A round's training ends after step e once the loss fell by less than ``least`` / (e + 1).

    Panchal 2023 (proceedings.mlr.press/v202/panchal23a); with strategy flash at a server it is
    FLASH.
    """

    least: float = 0.004

    def __post_init__(self) -> None:
        if self.least < 0:
            raise BadInput("methods.options.least: 0 or more")

    def train(self, rows: Rows, adam: Adam) -> Array:
        """See ``FineTune``."""
        (x, y, weight), slope = rows, self.slope(rows, self.corrections())
        models, goes_on = self.models, np.ones(len(x), bool)
        before = np.full(len(x), np.inf)
        for step in range(self.pace.local_steps):
            loss = (log_loss(self.network.logits(models, x), y) * shares(weight)).sum(axis=1)
            fell = before - loss
            goes_on &= ~((fell > 0) & (fell < self.least / (step + 1)))
            adam.who = adam.who & goes_on
            models = adam.step(models, slope(models))
            before = loss
        return models
