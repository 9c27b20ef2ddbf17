"""The transport of a node in a process of its own: messages to neighbours, and to a server."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from flame.core.errors import BadInput
from flame.federation.gossip.method import Round
from flame.federation.mailbox import SERVER, Neighbours, Post
from flame.federation.task import Message
from flame.streams.learners.evidence.news import numbers_in, plain, told
from flame.streams.networks.base import Array
from flame.streams.transport import News, Shared, checked_model

_KEPT = 64
"""Number of latest topics of which late messages are still stored."""


class Posted:
    """Sends the messages of one node to its neighbours, and waits for theirs.

    Args:
        place: number of the node.
        names: names of all nodes, which are their addresses.
        run: names the stream and the method in topics; the same at every node.
        neighbours: waits for messages.
        post: sends a message.
    """

    def __init__(
        self, place: int, names: tuple[str, ...], run: str, neighbours: Neighbours, post: Post
    ) -> None:
        self.own = np.array([place])
        self.names = names
        self.run = run
        self._neighbours = neighbours
        self._post = post
        self._known: dict[int, set[int]] = {}
        self._topics: deque[str] = deque()

    def __getstate__(self) -> Message:
        """Return what is stored with a learner: not the mailbox."""
        return {"own": self.own, "names": self.names, "run": self.run}

    def share(
        self, topic: str, now: Round, parts: Mapping[str, Shared], news: News
    ) -> tuple[Mapping[str, Shared], Round, Array]:
        """See ``Transport``. A message that does not have the shapes of this node's is lost."""
        place = int(self.own[0])
        links = now.hears
        sent = 0.0
        if len(news.told) == 1:  # the news of this node alone: they begin to spread
            self._known = {}
        for receiver in np.flatnonzero(links[:, place]):
            lacking = set(news.told) - self._known.get(int(receiver), set())
            sent += sum(news.sizes[k] for k in lacking)
            self._send(self.names[receiver], topic, _message(parts, news, lacking))
        wanted = {self.names[k]: int(k) for k in np.flatnonzero(links[place] & now.arrived[place])}
        got = self._wait(topic, set(wanted))
        received = {wanted[name]: message for name, message in got.items()}
        shared = {name: _spread(part, place, len(self.names)) for name, part in parts.items()}
        arrived = now.arrived.copy()
        arrived[place, list(wanted.values())] = False
        for number, message in sorted(received.items()):
            try:
                models, heard, known = self._read(message, parts)
            except BadInput:
                continue  # as if it had not arrived
            arrived[place, number] = True
            for name, (model, count) in models.items():
                shared[name].models[number] = model
                shared[name].counts[number] = count
                shared[name].held[number] = True
            self._known[number] = known
            for k, of_node in heard.items():
                # What a node says itself goes before what others say of it.
                if k not in news.told or k == number:
                    news.told[k], news.sizes[k] = of_node, numbers_in(of_node)
                    news.reach[0, k] = True
        return shared, replace(now, arrived=arrived), np.array([sent])

    def _read(
        self, message: Any, parts: Mapping[str, Shared]
    ) -> tuple[dict[str, tuple[Array, float]], dict[int, Any], set[int]]:
        """Read a message as a whole; raise BadInput if anything in it is wrong."""
        try:
            models = {}
            for name, part in parts.items():
                if name in message["models"]:
                    model, count = message["models"][name]
                    models[name] = checked_model(model, count, part.models.shape[1:])
            nodes = range(len(self.names))
            heard = {int(k): told(of_node) for k, of_node in message["news"].items()}
            known = {int(k) for k in message["known"]}
            heard.pop(int(self.own[0]), None)
        except Exception as error:  # of whatever a neighbour has sent
            raise BadInput("a message of another form") from error
        if not known <= set(nodes) or not set(heard) <= set(nodes):
            raise BadInput("news of nodes that there are not")
        return models, heard, known

    def ask(self, topic: str, message: Message) -> Message | None:
        """Send a message to the server, and return its reply; None: it is lost.

        Args:
            topic: names the message.
            message: the message; empty: none is sent.

        Returns:
            The reply.
        """
        if message:
            self._send(SERVER, topic, message)
        return self._wait(f"{topic}:back", {SERVER}).get(SERVER)

    def _send(self, to: str, topic: str, message: Message) -> None:
        name = self.names[self.own[0]]
        self._post(to, f"{self.run}:{topic}", {name: message})

    def _wait(self, topic: str, wanted: set[str]) -> dict[str, Message]:
        full = f"{self.run}:{topic}"
        got = self._neighbours.wait(full, wanted)
        self._topics.append(full)
        if len(self._topics) > _KEPT:
            self._neighbours.box.drop(self._topics.popleft())
        self._neighbours.box.drop(full)
        return got


def _message(parts: Mapping[str, Shared], news: News, lacking: set[int]) -> Message:
    """Return the message of a node: the models that it holds, and news."""
    models = {
        name: [np.asarray(part.models[0]), float(part.counts[0])]
        for name, part in parts.items()
        if part.held[0]
    }
    forwarded = {str(k): plain(news.told[k]) for k in sorted(lacking)}
    return {"models": models, "news": forwarded, "known": sorted(news.told)}


def _spread(part: Shared, place: int, nodes: int) -> Shared:
    """Return the model of one node among those of all, which are 0 and not held."""
    models = np.zeros((nodes, part.models.shape[1]))
    counts = np.zeros(nodes, part.counts.dtype)
    held = np.zeros(nodes, bool)
    models[place], counts[place], held[place] = part.models[0], part.counts[0], part.held[0]
    return Shared(models, counts, held)
