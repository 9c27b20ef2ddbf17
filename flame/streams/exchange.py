"""How nodes exchange models in a round: not at all, with a server, or with neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.registry import Registry
from flame.core.scores import Correction
from flame.federation.gossip.method import NodeStates, Round, open_method
from flame.federation.gossip.network import GossipNetwork
from flame.streams.networks.base import Array
from flame.streams.transport import News, OneProcess, Shared, Transport

BYTES = 4
"""Bytes of a number in a message: numbers are sent in 32 bits."""
EXCHANGES: Registry[type["Exchange"]] = Registry("exchange")


class Exchange:
    """How the nodes of a stream exchange models, round by round.

    Rounds are counted over all steps of the stream. ``number`` is the number of the current round,
    from 0, and -1 before the first. ``now`` holds its mixing weights and the messages that arrive,
    between all nodes of the network. ``own`` holds the numbers of the ``nodes`` nodes that are in
    this process: all of them, or a site's own one. Arrays (n, ...) of a learner are of these.
    ``sent`` (n,) counts the bytes that each has sent.

    Args:
        peers: the nodes, their links, and when they are away.
        name: name of the gossip method, or of the aggregation strategy of the server.
        options: options of the method or strategy.
        rate: learning rate of the nodes, the default of some strategies.
        transport: carries messages between processes; None: all nodes are in this one.

    Raises:
        BadInput: the method or strategy is unknown, its options are wrong, or it does not work on
            streams.
    """

    def __init__(
        self,
        peers: GossipNetwork,
        name: str,
        options: Mapping[str, float],
        rate: float,
        transport: Transport | None = None,
    ) -> None:
        self.peers = peers
        self.transport = transport or OneProcess(len(peers.names))
        self.own = self.transport.own
        self.nodes = len(self.own)
        self.everyone = len(peers.names)
        self.number = -1
        self.sent = np.zeros(self.nodes)
        self.news = News()
        self._calls = 0
        self.now = self._round(0)
        self.open(name, options, rate)

    def open(self, name: str, options: Mapping[str, float], rate: float) -> None:
        """Set up the method or strategy that combines models; do nothing by default.

        Args:
            name: name of the method or strategy.
            options: its options.
            rate: learning rate of the nodes.
        """

    def next(self) -> NDArray[np.bool_]:
        """Begin the next round, and return the mask (n,) of the nodes that take part."""
        self.number += 1
        self.now = self._round(self.number)
        self._calls = 0
        return self.participating(self.number)

    def skip(self, rounds: int) -> None:
        """Pass rounds in which the nodes of this process took no part.

        Args:
            rounds: number of rounds.
        """
        self.number += rounds
        self.now = self._round(max(self.number, 0))

    def participating(self, number: int) -> NDArray[np.bool_]:
        """Return the mask (n,) of the nodes that take part in a round.

        Args:
            number: number of the round, from 0.

        Returns:
            Mask (n,), False for nodes that are away.
        """
        return self.peers.participating(number)[self.own]

    def tell(self, told: Sequence[Any], sizes: Sequence[float]) -> None:
        """Begin to spread news of each node, which ``share`` forwards from round to round.

        Args:
            told: the news of each node (n,).
            sizes: their sizes (n,) in numbers.
        """
        own = self.own.tolist()
        reach = np.eye(self.everyone, dtype=bool)[self.own]
        told_by, size_by = (dict(zip(own, each, strict=True)) for each in (told, sizes))
        self.news = News(told_by, size_by, reach)

    def share(self, parts: Mapping[str, Shared]) -> Mapping[str, Shared]:
        """Send the models of nodes to those that receive from them, with the news.

        ``now`` then tells which messages arrived.

        Args:
            parts: models of the nodes, by a name that is the same at every node.

        Returns:
            The models of all nodes of the network; 0, and not held, where none arrived.
        """
        topic = f"{self.number}.{self._calls}"
        self._calls += 1
        shared, self.now, numbers = self.transport.share(topic, self.now, parts, self.news)
        self.sent = self.sent + BYTES * numbers
        return shared

    def shared(self, models: Array, counts: Array) -> Shared:
        """Share one model of each node, which all of them have.

        Args:
            models: models (n, size) of the nodes.
            counts: number (n,) of rows that each was trained on.

        Returns:
            The models of all nodes of the network, see ``share``. A message without one counts as
            lost.
        """
        shared = self.share({"": Shared(models, counts, np.ones(self.nodes, bool))})[""]
        self.only_from(shared.held)
        return shared

    def only_from(self, senders: NDArray[np.bool_]) -> None:
        """Count the messages of other nodes in this round as lost.

        Args:
            senders: mask (everyone,) of the nodes whose messages are of use.
        """
        useful = senders | np.eye(self.everyone, dtype=bool)
        self.now = replace(self.now, arrived=self.now.arrived & useful)

    def _round(self, number: int) -> Round:
        """Return the mixing weights and the arrived messages of a round."""
        raise NotImplementedError

    def given(self, models: Array) -> Array:
        """Choose the models with which nodes start a round.

        Args:
            models: models (n, size) of the nodes.

        Returns:
            Models (n, size), unchanged by default.
        """
        return models

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """Combine the models of nodes that have one model each.

        Args:
            before: models (n, size) before the local training of the round.
            trained: models (n, size) after it.
            counts: number (n,) of rows that each node trained on.

        Returns:
            Models (n, size) with which the nodes go on.
        """
        raise NotImplementedError

    def average(self, models: Array, counts: Array) -> Array:
        """Average models over the nodes that each node receives from, weighted by counts.

        Learners that have several models for each node average them one after another.

        Args:
            models: one model of each node (n, size).
            counts: number (n,) of rows that each node's model was trained on.

        Returns:
            The average (n, size) at each node.
        """
        shared = self.shared(models, counts)
        return np.asarray((self.now.by(shared.counts) @ shared.models)[self.own])

    def sends(self, numbers: float | Array) -> None:
        """Count the bytes of a message to every node that receives from the sender.

        Args:
            numbers: size of the message in numbers: one size, or one for each sender (n,).
        """
        receivers = self.now.hears[:, self.own].sum(axis=0)
        self.sent = self.sent + BYTES * receivers * numbers

    def correction(self, node: int) -> Correction:
        """Return the strategy's change to the gradients of a node.

        Args:
            node: number of the node, from 0.

        Returns:
            The correction; by default none.
        """
        return Correction()


@EXCHANGES.register("alone")
class Alone(Exchange):
    """Every node learns by itself, and sends nothing.

    Example:
        >>> from flame.federation.gossip.network import GossipConfig
        >>> alone = Alone(GossipNetwork(GossipConfig(), ("a", "b")), "", {}, rate=0.02)
        >>> trained = np.array([[0.0], [1.0]])
        >>> alone.mix(np.zeros((2, 1)), trained, counts=np.ones(2)).tolist()
        [[0.0], [1.0]]
    """

    def _round(self, number: int) -> Round:
        arrived = np.eye(self.everyone, dtype=bool)
        there = np.ones(self.everyone, bool)
        return Round(arrived * 1.0, arrived, there, np.random.default_rng(0))

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """See ``Exchange``."""
        return trained


@EXCHANGES.register("gossip")
class Gossip(Exchange):
    """Neighbours exchange models peer to peer, by a gossip method.

    Example:
        Two neighbours average their models with weights of one half.

        >>> from flame.federation.gossip.network import GossipConfig
        >>> gossip = Gossip(GossipNetwork(GossipConfig(), ("a", "b")), "dpsgd", {}, rate=0.02)
        >>> participating = gossip.next()
        >>> trained = np.array([[0.0], [1.0]])
        >>> gossip.mix(np.zeros((2, 1)), trained, counts=np.ones(2)).tolist()
        [[0.5], [0.5]]
        >>> gossip.sent.tolist()
        [4.0, 4.0]
    """

    def open(self, name: str, options: Mapping[str, float], rate: float) -> None:
        """See ``Exchange``; raise BadInput where a node has too few neighbours for the method."""
        self.method = open_method(name, options)
        self.method.check(self.peers.heard)
        self._memory: dict[str, Array] = {}

    def _round(self, number: int) -> Round:
        return self.peers.round(number)

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """See ``Exchange``."""
        shared = self.shared(trained, counts)
        of_all = np.zeros((self.everyone, before.shape[1]))
        of_all[self.own] = before
        states = self.method.mix(NodeStates(of_all, self._memory), shared.models, self.now)
        self._memory = states.memory
        self.sent = self.sent + BYTES * self.method.numbers(before.shape[1], self.now)[self.own]
        return states.models[self.own]
