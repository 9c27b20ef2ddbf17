"""Clipped gossip (He 2022, arXiv:2202.01545): a liar pulls no further than the radius."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt

from flame.federation.gossip.method import METHODS, Array, Method, NodeStates, Round


@METHODS.register("clipped-gossip")
@dataclass(frozen=True)
class ClippedGossip(Method):
    """Steps towards neighbours of which none is longer than ``radius``, before its weight."""

    radius: Annotated[float, Gt(0)] = 1.0

    def mix(self, before: NodeStates, trained: Array, now: Round) -> NodeStates:
        """With a radius beyond every difference it is D-PSGD."""
        models = trained.copy()
        for other in range(len(trained)):
            away = trained[other] - trained
            length = np.linalg.norm(away, axis=1, keepdims=True)
            kept = self.radius / np.maximum(length, self.radius)
            models += now.kept[:, [other]] * kept * away
        return NodeStates(models)
