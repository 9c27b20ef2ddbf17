"""Centred clipping (Karimireddy 2021, arXiv:2012.10333)."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from flame.core.arrays import flat, shaped
from flame.core.scores import Update
from flame.federation.strategies.strategy import STRATEGIES, State, Strategy, shares, stacked


@STRATEGIES.register("centred-clipping")
@dataclass(frozen=True)
class CentredClipping(Strategy):
    """The mean of changes of which none is longer than ``radius``, taken from the last mean anew.

    The centre starts at the server's weights and is refined ``steps`` times.
    """

    radius: Annotated[float, Gt(0)] = 10.0
    steps: Annotated[int, Ge(1)] = 3

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """With a radius beyond every change it is FedAvg."""
        points, weight, centre = stacked(updates), np.array(shares(updates)), flat(state.weights)
        for _ in range(self.steps):
            away = points - centre
            length = np.linalg.norm(away, axis=1, keepdims=True)
            kept = np.minimum(1.0, self.radius / np.maximum(length, 1e-300))
            centre = centre + weight @ (away * kept)
        return State(shaped(centre, state.weights), state.memory, state.names)
