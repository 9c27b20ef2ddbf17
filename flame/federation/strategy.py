"""What an aggregation strategy is: pure functions on arrays."""

from dataclasses import dataclass, field
from typing import Protocol

from flame.core.registry import Registry
from flame.core.scores import Update, Weights


@dataclass(frozen=True, eq=False)
class State:
    """What the server carries from round to round: weights, and a strategy's own arrays."""

    weights: Weights
    memory: dict[str, Weights] = field(default_factory=dict)


class Strategy(Protocol):
    """Combines the updates of one round. Must not change its arguments."""

    def aggregate(self, state: State, updates: list[Update]) -> State:
        """Return the next state from ``updates``, which come in order of centre name."""


STRATEGIES: Registry[Strategy] = Registry("strategy")
