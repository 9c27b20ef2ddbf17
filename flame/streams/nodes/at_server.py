"""The exchange of a node with a server in another process, and the rounds of such a server."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.core.scores import Correction
from flame.federation.mailbox import SERVER, Neighbours, Post
from flame.federation.strategies.strategy import State
from flame.federation.task import Message
from flame.streams.networks.base import Array
from flame.streams.nodes.posted import Posted
from flame.streams.server import Server, ServerPart


class AtServer(Server):
    """The exchange of one node with a server in another process."""

    transport: Posted

    def next(self) -> NDArray[np.bool_]:
        """See ``Exchange``."""
        self._present: list[Any] | None = None
        return super().next()

    def given(self, models: Array) -> Array:
        """See ``Exchange``. A learner gives its models one after another.

        A node that was away asks the server for their present state.
        """
        if not self.returning[0]:
            return models
        if self._present is None:
            reply = self.transport.ask(f"{self.number}.present", {}) or {}
            self._present = list(reply.get("models", []))
        return self._fitting(self._present.pop(0), models) if self._present else models

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """See ``Exchange``. Without a reply of the server the node goes on with its own model."""
        self.sends(before.shape[1])
        combined = self._combined(trained, counts)
        self._state = State([combined[0]]) if combined is not trained else self._state
        return combined

    def average(self, models: Array, counts: Array) -> Array:
        """See ``Exchange``. Without a reply of the server the node goes on with its own model."""
        return self._combined(models, counts)

    def ask(self, number: int, topic: str, messages: Sequence[Message]) -> Sequence[Message | None]:
        """See ``Server``."""
        if not self.participating(number)[0]:
            return [None]
        return [self.transport.ask(f"{number}.{topic}", messages[0])]

    def correction(self, node: int) -> Correction:
        """See ``Exchange``."""
        return super().correction(int(self.own[node]))

    def _combined(self, models: Array, counts: Array) -> Array:
        """Return what the server makes of the models of all nodes; a model of no row stays here."""
        call, self._calls = self._calls, self._calls + 1
        own = {"model": models[0]} if counts[0] else {}
        (reply,) = self.ask(self.number, str(call), [{**own, "count": float(counts[0])}])
        return models if reply is None else self._fitting(reply["model"], models)

    def _fitting(self, found: Any, models: Array) -> Array:
        model = np.asarray(found, float)
        if model.shape != models.shape[1:] or not np.isfinite(model).all():
            raise BadInput("the server sent a model of another shape, or one that is not finite")
        return model[None]


def serve_rounds(
    exchange: Server, part: ServerPart, run: str, rounds: int, neighbours: Neighbours, post: Post
) -> None:
    """Answer the messages of nodes in every round.

    Args:
        exchange: the server's exchange, of all nodes; it goes on after its last round.
        part: answers the messages.
        run: names the stream and the method in topics.
        rounds: number of rounds after which it returns, those before included.
        neighbours: waits for messages.
        post: sends a message.
    """
    names = exchange.peers.names

    def reply(messages: Mapping[int, Message], topic: str) -> None:
        for node, message in messages.items():
            post(names[node], f"{run}:{topic}:back", {SERVER: message})

    for number in range(exchange.number + 1, rounds):
        exchange.next()
        if present := part.present():
            reply(dict.fromkeys(np.flatnonzero(exchange.returning), present), f"{number}.present")
        here = np.flatnonzero(exchange.now.participating).tolist()
        for topic in part.topics(number):
            full = f"{run}:{number}.{topic}"
            got = neighbours.wait(full, {names[node] for node in here})
            neighbours.box.drop(full)
            by_node = {names.index(name): message for name, message in sorted(got.items())}
            of = part.answer(topic, by_node)
            reply({node: of(node) for node in here}, f"{number}.{topic}")
