"""A server that combines the models of nodes, and what it does in a round for their learners."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.scores import Correction, Update
from flame.federation.gossip.method import Round
from flame.federation.strategies.strategy import State, open_strategy
from flame.federation.task import Message
from flame.streams.exchange import BYTES, EXCHANGES, Exchange
from flame.streams.networks.base import Array
from flame.streams.transport import checked_model


class ServerPart(Protocol):
    """The server's part of a learner; it is stored with a run and resumed with it."""

    def topics(self, number: int) -> Sequence[str]:
        """Return the topics on which the nodes of a round send a message each, in their order."""
        ...

    def present(self) -> Message:
        """Return what a node receives that comes back; empty: nothing."""
        ...

    def answer(self, topic: str, got: Mapping[int, Message]) -> Callable[[int], Message]:
        """Return what gives the reply to a node, by its number.

        Args:
            topic: one of ``topics``.
            got: the messages of nodes that arrived, by their number.

        Returns:
            A function that gives the reply to every node, also to one whose message was lost.
        """
        ...


@EXCHANGES.register("server")
class Server(Exchange):
    """A server receives all models, and combines them by a strategy of ``flame train``.

    Only uploads of the nodes are counted as sent.

    Example:
        FedAvg weights the models by rows: (10 * 0 + 30 * 1) / 40.

        >>> from flame.federation.gossip.network import GossipConfig, GossipNetwork
        >>> server = Server(GossipNetwork(GossipConfig(), ("a", "b")), "fedavg", {}, rate=0.02)
        >>> participating = server.next()
        >>> trained = np.array([[0.0], [1.0]])
        >>> server.mix(np.zeros((2, 1)), trained, counts=np.array([10.0, 30.0])).tolist()
        [[0.75], [0.75]]
    """

    def open(self, name: str, options: Mapping[str, float], rate: float) -> None:
        """See ``Exchange``; raise BadInput where the strategy does not work on streams."""
        self.strategy = open_strategy(name, options, rate)
        if self.strategy.personal or len(self.strategy.corrections(State([]), "")) > 1:
            raise BadInput(
                f"strategy {name} gives sites their own models, which streams do not support"
            )
        if self.strategy.enough:
            raise BadInput(f"strategy {name} does not wait for all sites, and streams need rounds")
        if self.strategy.plain_gradients:
            raise BadInput(f"strategy {name} needs plain gradient steps, and streams use Adam")
        self._state: State | None = None
        self.latest = np.ones(self.everyone, bool)
        self.part: ServerPart | None = None

    def next(self) -> NDArray[np.bool_]:
        """See ``Exchange``."""
        if self.now.participating.any():
            self.latest = self.now.participating
        return super().next()

    def _round(self, number: int) -> Round:
        participating = self.peers.participating(number)
        arrived = (participating[None] & participating[:, None]) | np.eye(self.nodes, dtype=bool)
        weights = np.full((self.nodes, self.nodes), 1 / self.nodes)
        rng = np.random.default_rng([self.peers.config.seed, number])
        return Round(weights, arrived, participating, rng)

    @property
    def returning(self) -> NDArray[np.bool_]:
        """Mask (n,) of the nodes that take part again, after a round in which they were away."""
        return (self.now.participating & ~self.latest)[self.own]

    def given(self, models: Array) -> Array:
        """See ``Exchange``. A node that was away receives the present model of the server."""
        return np.where(self.returning[:, None], models[self.latest.argmax()], models)

    def ask(self, number: int, topic: str, messages: Sequence[Message]) -> Sequence[Message | None]:
        """Send a message of each node to the server's part of a learner, and return its replies.

        Args:
            number: number of the round; only nodes that take part in it send.
            topic: names what is asked.
            messages: messages of the nodes (n,).

        Returns:
            Replies to the nodes (n,); None: there is none.
        """
        assert self.part is not None
        sent = {k: messages[k] for k in np.flatnonzero(self.participating(number)).tolist()}
        reply = self.part.answer(topic, sent)
        return [reply(k) if k in sent else None for k in range(self.nodes)]

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """See ``Exchange``."""
        state = self._state or State([before[0]])
        sending = self.peers.participating(self.number) & (counts > 0)
        updates = [
            Update(f"{k:06d}", [trained[k]], int(counts[k]), 0.0, 0.0)
            for k in np.flatnonzero(sending)
        ]
        if updates:
            state = self.strategy.aggregate(state, updates)
        self._state = state
        self.sends(before.shape[1])
        return np.where(self.peers.participating(self.number)[:, None], state.weights[0], trained)

    def sends(self, numbers: float | Array) -> None:
        """Count the upload of a message to the server, which forwards it.

        Args:
            numbers: as in ``Exchange``; a message for several receivers is uploaded once.
        """
        self.sent = self.sent + BYTES * numbers * self.participating(max(self.number, 0))

    def correction(self, node: int) -> Correction:
        """See ``Exchange``."""
        if self._state is None:
            return Correction()
        return self.strategy.corrections(self._state, f"{node:06d}")[0]


class Averages:
    """One model of each node or several, combined by a strategy or averaged one after another.

    Args:
        exchange: the server's exchange, of all nodes.
        models: models (n, size) with which the nodes begin, one array for each model of a node.
        mixes: whether the strategy combines them, rather than averages weighted by rows.
    """

    def __init__(self, exchange: Server, models: Sequence[Array], mixes: bool = False) -> None:
        self.exchange = exchange
        self.models = list(models)
        self.mixes = mixes

    def topics(self, number: int) -> Sequence[str]:
        """See ``ServerPart``: one for each model of a node."""
        return [str(call) for call in range(len(self.models))]

    def present(self) -> Message:
        """See ``ServerPart``: the models of a node that took part in the round before."""
        node = self.exchange.latest.argmax()
        return {"models": [models[node] for models in self.models]}

    def answer(self, topic: str, got: Mapping[int, Message]) -> Callable[[int], Message]:
        """See ``ServerPart``. A node that sent nothing that fits counts as one without rows."""
        before = self.exchange.given(self.models[int(topic)])
        trained, counts = before.copy(), np.zeros(len(before))
        for node, message in got.items():
            try:
                model = message.get("model", before[node])
                found = checked_model(model, message["count"], before.shape[1:])
            except Exception:  # of whatever a node has sent
                continue
            trained[node], counts[node] = found
        if self.mixes:
            after = self.exchange.mix(before, trained, counts)
        else:
            after = self.exchange.average(trained, counts)
        self.models[int(topic)] = after
        return lambda node: {"model": after[node]}
