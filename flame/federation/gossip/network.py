"""The network of peer-to-peer learning: who takes part in each round, and which messages arrive."""

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

FILE, PLACES, PUSH_SUM = "file", "places", "push-sum"
"""Topology read from a file, topology of nearest places, and name of the push-sum method."""
_ROUNDS, _GONE = 64, 1e-9
"""Largest number of rounds over which the spectral gap of changing links is measured, and the
remaining disagreement at which the measurement stops.
"""


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
        """See ``Section``. Which keys fit together."""
        yield bool(self.file) == (self.topology == FILE), "gossip.file goes with topology = 'file'"
        fixed = not (self.loss or self.away or self.slow or self.topology in CHANGING)
        yield (
            fixed or not METHODS[self.method].lossless,
            f"gossip.method '{self.method}' is for links that never change and lose nothing: "
            "leave out loss, away and slow, or choose push-sum",
        )
        for name, rounds in self.away.items():
            rising = list(rounds) == sorted(set(rounds)) and min(rounds, default=0) >= 0
            yield rising, f"gossip.away.{name}: rounds in rising order"


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
        self.config, self.names, self._everyone = config, names, everyone or names
        for name in {*config.away, *config.slow} - set(names):
            raise BadInput(f"gossip.away or slow: no node '{name}'; there are {', '.join(names)}")
        self._given = self._known(places)

    def _known(self, places: Links | None) -> Links | None:
        if self.config.topology == FILE:
            found = read_links(Path(self.config.file), self._everyone)
            here = [self._everyone.index(name) for name in self.names]
            return found[np.ix_(here, here)]
        if self.config.topology != PLACES:
            return None
        if places is None:
            raise BadInput("gossip.topology = 'places': these nodes have no latitude and longitude")
        return places

    @cached_property
    def _fixed(self) -> Links | None:
        """The links of every round if they do not change, else None."""
        if self._given is not None or self.config.topology in CHANGING:
            return self._given
        return self._drawn(0)

    def links(self, number: int) -> Links:
        """Return the links (n, n) of a round without losses; row i receives from column j.

        Args:
            number: number of the round, from 0.
        """
        return self._fixed if self._fixed is not None else self._drawn(number)

    def _drawn(self, number: int) -> Links:
        c = self.config
        return links_of(c.topology, Shape(len(self.names), number, c.seed, c.degree, c.probability))

    def _weights(self, number: int) -> Array:
        links = self.links(number)
        if self.config.method == PUSH_SUM:
            heard = links + np.eye(len(links))
            return np.asarray(heard / heard.sum(axis=1, keepdims=True))
        return weights_of(links)

    @cached_property
    def _always(self) -> Array | None:
        """The weights of every round if they do not change, else None."""
        return None if self._fixed is None else self._weights(0)

    def round(self, number: int) -> Round:
        """Return a round; repeated calls return the same.

        Args:
            number: number of the round, from 0.
        """
        weights = self._always if self._always is not None else self._weights(number)
        rng = np.random.default_rng([self.config.seed, number])
        arrived = rng.random(weights.shape) >= self.config.loss
        here = self.participating(number)
        late = np.zeros(len(self.names))
        for name, share in self.config.slow.items():
            late[self.names.index(name)] = share
        on_time = rng.random(len(self.names)) >= late
        arrived &= (here & on_time)[None, :] & here[:, None]
        np.fill_diagonal(arrived, val=True)
        return Round(weights, arrived, here, rng)

    def participating(self, number: int) -> NDArray[np.bool_]:
        """Return which nodes (n,) take part in a round.

        Args:
            number: number of the round, from 0.
        """
        found = np.ones(len(self.names), bool)
        for name, rounds in self.config.away.items():
            found[self.names.index(name)] = np.searchsorted(rounds, number, side="right") % 2 == 0
        return found

    @property
    def gap(self) -> float:
        """Spectral gap: the share of the nodes' disagreement that a round without losses removes.

        Links that do not change: see ``spectral_gap``. Changing links: the geometric mean per
        round, 1 - r^(1/k), where r is the disagreement that the product of k rounds leaves. k is
        64, or fewer when r falls below 1e-9. Push-sum: r is the absolute second eigenvalue of the
        product instead, which is what remains in the long run.
        """
        product, number, left = np.eye(len(self.names)), 0, 1.0
        most = _ROUNDS if self._fixed is None else 1
        while left > _GONE and number < most:
            product = self._shares(number) @ product
            left, number = self._left(product), number + 1
        return float(1 - left ** (1 / number))

    def _shares(self, number: int) -> Array:
        if self.config.method != PUSH_SUM:
            return self._weights(number)
        heard = self.links(number) + np.eye(len(self.names))
        return np.asarray(heard / heard.sum(axis=0))

    def _left(self, product: Array) -> float:
        if self.config.method != PUSH_SUM:
            return 1 - spectral_gap(product)
        return float(np.sort(np.abs(np.linalg.eigvals(product)))[-2])

    @property
    def heard(self) -> NDArray[np.int_]:
        """Largest number (n,) of others that each node receives from in a round without losses."""
        rounds = 1 if self._fixed is not None else _ROUNDS
        counts = [self.links(number).sum(axis=1) for number in range(rounds)]
        return np.asarray(np.max(counts, axis=0))

    @property
    def diameter(self) -> int:
        """Number of rounds without losses in which information spreads from every node to all.

        Raises:
            BadInput: some node does not reach some other.
        """
        reach, rounds = np.eye(len(self.names), dtype=bool), 0
        while not reach.all():
            reach = reach | ((self.links(rounds).astype(int) @ reach) > 0)
            rounds += 1
            if rounds > 4 * len(self.names):
                raise BadInput(f"topology {self.config.topology}: not every node can be reached")
        return rounds
