"""How nodes share what they learned in a round: not at all, with a server, or with neighbours."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.registry import Registry
from flame.core.scores import Correction, Update
from flame.federation.gossip.method import (
    METHODS,  # noqa: F401  (registers every method)
    NodeStates,
    Round,
    open_method,
)
from flame.federation.gossip.network import GossipNetwork
from flame.federation.strategies.strategy import State, open_strategy
from flame.streams.networks.base import Array

BYTES = 4
"""Of a number on the way."""
EXCHANGES: Registry[type["Exchange"]] = Registry("exchange")


class Exchange:
    """Rounds are counted from the first step on; ``sent`` counts bytes a node.

    ``name`` and ``options`` are those of what mixes: a strategy at a server, or a gossip method.
    """

    def __init__(
        self, peers: GossipNetwork, name: str, options: Mapping[str, float], rate: float
    ) -> None:
        self.peers, self.nodes = peers, len(peers.names)
        self.number, self.sent = -1, np.zeros(self.nodes)
        self.now = self._round(0)
        self.open(name, options, rate)

    def open(self, name: str, options: Mapping[str, float], rate: float) -> None:
        """Make ready what mixes."""

    def next(self) -> NDArray[np.bool_]:
        """Go on to the next round; which nodes (n,) take part."""
        self.number += 1
        self.now = self._round(self.number)
        return self.peers.participating(self.number)

    def _round(self, number: int) -> Round:
        raise NotImplementedError

    def given(self, models: Array) -> Array:
        """What nodes begin the round with: who was away, with what a server has by now."""
        return models

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """The next models of nodes that have one each; ``counts`` (n,) rows were learned from."""
        raise NotImplementedError

    def average(self, models: Array, counts: Array) -> Array:
        """Models averaged by counts over who is heard; for learners that have several each."""
        return self.now.by(counts) @ models

    def sends(self, numbers: float | Array) -> None:
        """Count a message of so many numbers to everybody who hears it.

        They may be those of each node (n,), or of each to each (n, n): to the row's node from the
        column's.
        """
        self.sent = self.sent + BYTES * np.where(self.now.hears, numbers, 0.0).sum(axis=0)

    def correction(self, node: int) -> Correction:
        """How a node's gradients are changed."""
        return Correction()


@EXCHANGES.register("alone")
class Alone(Exchange):
    """Every node on its own."""

    def _round(self, number: int) -> Round:
        itself = np.eye(self.nodes, dtype=bool)
        return Round(itself * 1.0, itself, np.ones(self.nodes, bool), np.random.default_rng(0))

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """See ``Exchange``."""
        return trained


@EXCHANGES.register("gossip")
class Gossip(Exchange):
    """With neighbours, by a gossip method."""

    def open(self, name: str, options: Mapping[str, float], rate: float) -> None:
        """See ``Exchange``."""
        self.method = open_method(name, options)
        self.method.check(self.peers.heard)
        self._memory: dict[str, Array] = {}

    def _round(self, number: int) -> Round:
        return self.peers.round(number)

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """See ``Exchange``."""
        swarm = self.method.mix(NodeStates(before, self._memory), trained, self.now)
        self._memory = swarm.memory
        self.sent = self.sent + BYTES * self.method.numbers(before.shape[1], self.now)
        return swarm.models


@EXCHANGES.register("server")
class Server(Exchange):
    """With a server that hears all, by a strategy of ``flame train``."""

    def open(self, name: str, options: Mapping[str, float], rate: float) -> None:
        """See ``Exchange``."""
        self.strategy = open_strategy(name, options, rate)
        if self.strategy.personal or len(self.strategy.corrections(State([]), "")) > 1:
            raise BadInput(f"strategy {name}: sites have models of their own; not on streams")
        if self.strategy.enough:
            raise BadInput(f"strategy {name} does not wait for all sites; streams go by rounds")
        if self.strategy.plain_gradients:
            raise BadInput(f"strategy {name} counts on plain gradient steps; streams take Adam's")
        self._state: State | None = None
        self._latest = np.ones(self.nodes, bool)

    def next(self) -> NDArray[np.bool_]:
        """See ``Exchange``."""
        if self.now.participating.any():
            self._latest = self.now.participating
        return super().next()

    def _round(self, number: int) -> Round:
        there = self.peers.participating(number)
        heard = (there[None] & there[:, None]) | np.eye(self.nodes, dtype=bool)
        weights = np.full((self.nodes, self.nodes), 1 / self.nodes)
        return Round(weights, heard, there, np.random.default_rng([self.peers.config.seed, number]))

    def given(self, models: Array) -> Array:
        """See ``Exchange``."""
        behind = self.now.participating & ~self._latest
        return np.where(behind[:, None], models[self._latest.argmax()], models)

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """See ``Exchange``."""
        state = self._state or State([before[0]])
        there = self.peers.participating(self.number) & (counts > 0)
        updates = [
            Update(f"{k:06d}", [trained[k]], int(counts[k]), 0.0, 0.0)
            for k in np.flatnonzero(there)
        ]
        if updates:
            state = self.strategy.aggregate(state, updates)
        self._state = state
        self.sends(before.shape[1])
        return np.where(self.peers.participating(self.number)[:, None], state.weights[0], trained)

    def sends(self, numbers: float | Array) -> None:
        """Count a message to the server, who passes it on to all for whom it is."""
        most = numbers.max(axis=0) if np.ndim(numbers) > 1 else numbers  # type: ignore[union-attr]
        self.sent = self.sent + BYTES * most * self.peers.participating(max(self.number, 0))

    def correction(self, node: int) -> Correction:
        """See ``Exchange``."""
        if self._state is None:
            return Correction()
        return self.strategy.corrections(self._state, f"{node:06d}")[0]
