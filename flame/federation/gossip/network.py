"""The network of peer-to-peer learning: the nodes of each round, and the messages that arrive."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le, Lt
from numpy.typing import NDArray

from flame.core.config import Rule, Section
from flame.core.errors import BadInput
from flame.federation.gossip.method import METHODS, Array, Round
from flame.federation.gossip.topology import (
    CHANGING,
    Links,
    Shape,
    links_of,
    read_links,
    spectral_gap,
    weights_of,
)

FILE = "file"
"""Name of the topology that is read from a file."""
PLACES = "places"
"""Name of the topology that links nearest places."""
PUSH_SUM = "push-sum"
"""Name of the push-sum method."""
_ROUNDS = 64
"""Largest number of rounds over which the spectral gap of changing links is measured."""
_NO_DISAGREEMENT = 1e-9
"""Remaining share of the disagreement at which that measurement stops."""


@dataclass(frozen=True)
class GossipConfig(Section):
    """Topology and gossip method, with losses and absences to simulate."""

    topology: str = "ring"
    """A registered topology, ``file``, or ``places`` (the nearest by latitude and longitude)."""
    degree: Annotated[int, Ge(0)] = 4
    """Neighbours of each node, where the topology has this option."""
    probability: Annotated[float, Ge(0), Le(1)] = 0.3
    """Probability of a link, where the topology draws links."""
    file: str = ""
    """CSV for topology ``file``: two columns, a node and one that it receives from."""
    method: str = "dpsgd"
    """Name of a gossip method."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the gossip method."""
    loss: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of the messages that are lost."""
    away: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """By node: the rounds, counted from 0, at which it leaves, returns, leaves again, and so on."""
    slow: dict[str, Annotated[float, Ge(0), Le(1)]] = field(default_factory=dict)
    """By node: the share of rounds in which the others do not wait for its message."""
    seed: Annotated[int, Ge(0)] = 0
    """Decides which links are drawn and which messages are lost."""

    def rules(self) -> Iterator[Rule]:
        """Yield the rules on which keys fit together."""
        yield (
            bool(self.file) == (self.topology == FILE),
            "gossip.file and gossip.topology = 'file' need each other",
        )
        fixed = not (self.loss or self.away or self.slow or self.topology in CHANGING)
        yield (
            fixed or not METHODS[self.method].lossless,
            f"gossip.method '{self.method}' needs links that never change and lose no message: "
            "remove gossip.loss, away and slow, choose a topology that does not change, or choose "
            "method 'push-sum'",
        )
        for name, rounds in self.away.items():
            rising = list(rounds) == sorted(set(rounds)) and min(rounds, default=0) >= 0
            yield rising, f"gossip.away.{name}: give rounds of 0 or more, in rising order"


class GossipNetwork:
    """The rounds of a network of nodes, deterministic in the configuration.

    Args:
        config: topology, gossip method and losses.
        names: names of the n nodes.
        places: links (n, n) of nearest places, for topology ``places``.
        everyone: names of all nodes that the topology file may contain; empty: ``names``.

    Raises:
        BadInput: the configuration names an unknown node, the topology file is invalid, or the
            places of the nodes are unknown.
    """

    def __init__(
        self,
        config: GossipConfig,
        names: tuple[str, ...],
        places: Links | None = None,
        everyone: tuple[str, ...] = (),
    ) -> None:
        self.config = config
        self.names = names
        self._everyone = everyone or names
        for name in {*config.away, *config.slow} - set(names):
            raise BadInput(
                f"gossip.away or gossip.slow: unknown node '{name}'; the nodes are "
                f"{', '.join(names)}"
            )
        self._links_from_data = self._read_links(places)

    def _read_links(self, places: Links | None) -> Links | None:
        """Return the links of a file or of places; None for every other topology."""
        if self.config.topology == FILE:
            links = read_links(Path(self.config.file), self._everyone)
            index = [self._everyone.index(name) for name in self.names]
            return links[np.ix_(index, index)]
        if self.config.topology != PLACES:
            return None
        if places is None:
            raise BadInput(
                "gossip.topology = 'places': these nodes have no latitude and longitude; choose "
                "another topology"
            )
        return places

    @cached_property
    def _fixed_links(self) -> Links | None:
        """The links of every round if they do not change, else None."""
        if self._links_from_data is not None or self.config.topology in CHANGING:
            return self._links_from_data
        return self._draw_links(0)

    def links(self, number: int) -> Links:
        """Return the links of a round without losses.

        Args:
            number: number of the round, from 0.

        Returns:
            Links (n, n), True in row i and column j if node i receives from node j.
        """
        return self._fixed_links if self._fixed_links is not None else self._draw_links(number)

    def _draw_links(self, number: int) -> Links:
        config = self.config
        shape = Shape(len(self.names), number, config.seed, config.degree, config.probability)
        return links_of(config.topology, shape)

    def _weights(self, number: int) -> Array:
        links = self.links(number)
        if self.config.method == PUSH_SUM:
            received = links + np.eye(len(links))
            return np.asarray(received / received.sum(axis=1, keepdims=True))
        return weights_of(links)

    @cached_property
    def _fixed_weights(self) -> Array | None:
        """The weights of every round if they do not change, else None."""
        return None if self._fixed_links is None else self._weights(0)

    def round(self, number: int) -> Round:
        """Draw which messages of a round arrive.

        Args:
            number: number of the round, from 0.

        Returns:
            The round; repeated calls return equal rounds.
        """
        weights = self._fixed_weights if self._fixed_weights is not None else self._weights(number)
        rng = np.random.default_rng([self.config.seed, number])
        arrived = rng.random(weights.shape) >= self.config.loss
        participating = self.participating(number)
        late_share = np.zeros(len(self.names))
        for name, share in self.config.slow.items():
            late_share[self.names.index(name)] = share
        on_time = rng.random(len(self.names)) >= late_share
        arrived &= (participating & on_time)[None, :] & participating[:, None]
        np.fill_diagonal(arrived, val=True)
        return Round(weights, arrived, participating, rng)

    def participating(self, number: int) -> NDArray[np.bool_]:
        """Return the mask of the nodes that take part in a round.

        Args:
            number: number of the round, from 0.

        Returns:
            Mask (n,), False for nodes that are away.
        """
        mask = np.ones(len(self.names), bool)
        for name, rounds in self.config.away.items():
            mask[self.names.index(name)] = np.searchsorted(rounds, number, side="right") % 2 == 0
        return mask

    @property
    def gap(self) -> float:
        """Spectral gap: the share of the nodes' disagreement that a round without losses removes.

        Links that do not change: see ``spectral_gap``. Changing links: the geometric mean per
        round, 1 - r^(1/k), where r is the share of the disagreement that remains after the product
        of k rounds. k is 64, or fewer when r falls below 1e-9. Push-sum: r is the absolute second
        eigenvalue of the product instead, the share that remains in the long run.
        """
        product = np.eye(len(self.names))
        number = 0
        remaining = 1.0
        most = _ROUNDS if self._fixed_links is None else 1
        while remaining > _NO_DISAGREEMENT and number < most:
            product = self._mixing_matrix(number) @ product
            remaining = self._disagreement(product)
            number += 1
        return float(1 - remaining ** (1 / number))

    def _mixing_matrix(self, number: int) -> Array:
        if self.config.method != PUSH_SUM:
            return self._weights(number)
        receives = self.links(number) + np.eye(len(self.names))
        return np.asarray(receives / receives.sum(axis=0))

    def _disagreement(self, product: Array) -> float:
        if self.config.method != PUSH_SUM:
            return 1 - spectral_gap(product)
        return float(np.sort(np.abs(np.linalg.eigvals(product)))[-2])

    @property
    def heard(self) -> NDArray[np.int_]:
        """Largest number (n,) of others that each node receives from in a round without losses."""
        rounds = 1 if self._fixed_links is not None else _ROUNDS
        counts = [self.links(number).sum(axis=1) for number in range(rounds)]
        return np.asarray(np.max(counts, axis=0))

    @property
    def diameter(self) -> int:
        """Number of rounds without losses in which information spreads from every node to all.

        Raises:
            BadInput: information of a node never reaches another node.
        """
        reach = np.eye(len(self.names), dtype=bool)
        rounds = 0
        while not reach.all():
            reach = reach | ((self.links(rounds).astype(int) @ reach) > 0)
            rounds += 1
            if rounds > 4 * len(self.names):
                raise BadInput(
                    f"gossip.topology '{self.config.topology}': not every node can be reached from "
                    "every other; add links, or choose another topology"
                )
        return rounds
