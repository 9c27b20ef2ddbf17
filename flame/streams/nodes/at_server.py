"""A server for nodes in processes of their own, and the exchange of such a node with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from flame.core.errors import BadInput
from flame.core.scores import Correction
from flame.federation.mailbox import SERVER, Neighbours, Post
from flame.federation.strategies.strategy import State
from flame.streams.exchange import Server
from flame.streams.networks.base import Array
from flame.streams.nodes.posted import Posted, checked_model


class AtServer(Server):
    """The exchange of one node with a server in another process."""

    transport: Posted

    def given(self, models: Array) -> Array:
        """See ``Exchange``. A node that was away asks the server for its present model."""
        if not (self.now.participating & ~self._latest)[self.own[0]]:
            return models
        present = self.transport.ask(f"{self.number}.present", {})
        return models if present is None else self._fitting(present, models)

    def mix(self, before: Array, trained: Array, counts: Array) -> Array:
        """See ``Exchange``. Without a reply of the server the node goes on with its own model."""
        if not self.participating(self.number)[0]:
            return trained
        self.sends(before.shape[1])
        message = {"model": trained[0], "count": float(counts[0])}
        reply = self.transport.ask(f"{self.number}.mix", message)
        if reply is None:
            return trained
        mixed = self._fitting(reply, trained)
        self._state = State([mixed[0]])
        return mixed

    def average(self, models: Array, counts: Array) -> Array:
        """See ``Exchange``; raise BadInput: at a server in another process nodes have one model."""
        raise BadInput(
            "learners with several models for each node work with exchange 'gossip' only"
        )

    def correction(self, node: int) -> Correction:
        """See ``Exchange``."""
        return super().correction(int(self.own[node]))

    def _fitting(self, model: Array, models: Array) -> Array:
        if model.shape != models.shape[1:] or not np.isfinite(model).all():
            raise BadInput("the server sent a model of another shape, or one that is not finite")
        return model[None]


def serve_rounds(
    exchange: Server,
    run: str,
    rounds: int,
    before: Array,
    neighbours: Neighbours,
    post: Post,
) -> Array:
    """Combine the models that nodes send in every round, and send them the result.

    Args:
        exchange: the server's exchange, of all nodes; it goes on after its last round.
        run: names the stream and the method in topics.
        rounds: number of rounds after which it returns, those before included.
        before: models (n, size) with which the nodes begin.
        neighbours: waits for messages.
        post: sends a message.

    Returns:
        Models (n, size) with which the nodes end.
    """
    names = exchange.peers.names
    for number in range(exchange.number + 1, rounds):
        returning = exchange.next() & ~exchange._latest
        for node in np.flatnonzero(returning):
            present = before[exchange._latest.argmax()]
            _reply(post, names[node], f"{run}:{number}.present:back", present)
        wanted = {names[node] for node in np.flatnonzero(exchange.now.participating)}
        topic = f"{run}:{number}.mix"
        got = neighbours.wait(topic, wanted)
        neighbours.box.drop(topic)
        trained, counts = _models(got, names, before)
        before = exchange.mix(before, trained, counts)
        for name in got:
            _reply(post, name, f"{topic}:back", before[names.index(name)])
    return before


def _models(
    got: Mapping[str, Mapping[str, Any]], names: tuple[str, ...], before: Array
) -> tuple[Array, Array]:
    """Return the models and counts of all nodes; 0 rows of one that sent nothing that fits."""
    trained, counts = before.copy(), np.zeros(len(names))
    for name, message in got.items():
        try:
            model, count = checked_model(message["model"], message["count"], before.shape[1:])
        except BadInput:
            continue  # as if it had sent nothing
        trained[names.index(name)], counts[names.index(name)] = model, count
    return trained, counts


def _reply(post: Post, to: str, topic: str, model: Array) -> None:
    post(to, topic, {SERVER: {"model": model}})
