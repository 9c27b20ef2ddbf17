"""The transport of a node in a process of its own: messages to neighbours, and to a server."""

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flame.core.errors import BadInput
from flame.federation.gossip.method import Round
from flame.federation.mailbox import Neighbours, Post
from flame.federation.task import Message
from flame.streams.learners.evidence.news import plain, told
from flame.streams.networks.base import Array
from flame.streams.transport import News, Shared

SERVER = "server"
"""Name of the server among the senders of messages."""
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
                checked = _checked(message, parts)
                heard = [(int(k), told(v[0]), float(v[1])) for k, v in message["news"].items()]
            except (BadInput, KeyError, TypeError, ValueError, IndexError):
                continue
            arrived[place, number] = True
            for name, (model, count) in checked.items():
                shared[name].models[number] = model
                shared[name].counts[number] = count
                shared[name].held[number] = True
            self._known[number] = {int(k) for k in message["known"]}
            for k, of_node, size in heard:
                if 0 <= k < len(self.names) and k not in news.told:
                    news.told[k], news.sizes[k] = of_node, size
                    news.reach[0, k] = True
        return shared, replace(now, arrived=arrived), np.array([sent])

    def ask(self, topic: str, message: Message) -> Array | None:
        """Send a message to the server, and return the model that it replies; None: it is lost."""
        if message:
            self._send(SERVER, topic, message)
        reply = self._wait(f"{topic}:back", {SERVER}).get(SERVER)
        return None if reply is None else np.asarray(reply["model"], float)

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
    forwarded = {str(k): [plain(news.told[k]), float(news.sizes[k])] for k in sorted(lacking)}
    return {"models": models, "news": forwarded, "known": sorted(news.told)}


def _spread(part: Shared, place: int, nodes: int) -> Shared:
    """Return the model of one node among those of all, which are 0 and not held."""
    models = np.zeros((nodes, part.models.shape[1]))
    counts = np.zeros(nodes, part.counts.dtype)
    held = np.zeros(nodes, bool)
    models[place], counts[place], held[place] = part.models[0], part.counts[0], part.held[0]
    return Shared(models, counts, held)


def _checked(
    message: Message, parts: Mapping[str, Shared]
) -> dict[str, tuple[NDArray[np.float64], float]]:
    """Return the models and counts of a message that this node knows; raise BadInput if wrong."""
    found = {}
    for name, part in parts.items():
        sent: Any = message["models"].get(name)
        if sent is None:
            continue
        model, count = np.asarray(sent[0], float), float(sent[1])
        fits = model.shape == part.models.shape[1:] and np.isfinite(model).all()
        if not fits or not np.isfinite(count) or count < 0:
            raise BadInput("a model of another shape, or not finite")
        found[name] = (model, count)
    return found
