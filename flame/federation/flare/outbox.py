"""The outbox of a site that learns peer to peer: one queue and one thread per neighbour."""

import logging
import queue
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from nvflare.collab.api.exceptions import CollabCallError

from flame.federation.flare.limits import transfer_s
from flame.federation.flare.pieces import cut
from flame.federation.task import Message

_TRIES = 2
"""Number of attempts to send a message."""


class Outbox:
    """Sends messages to neighbours without blocking; a message that fails twice is dropped.

    Messages pass through the server. With ``secure`` they are encrypted end to end.

    Args:
        proxies: FLARE's proxy of each neighbour, by its name.
        heartbeat_timeout_s: time-out of each attempt in s, beside the time that the transfer takes.
        secure: whether messages are encrypted end to end.
    """

    def __init__(
        self, proxies: Mapping[str, Any], heartbeat_timeout_s: float, secure: bool
    ) -> None:
        self.proxies = proxies
        self.heartbeat_timeout_s = heartbeat_timeout_s
        self.secure = secure
        self._waiting: dict[str, queue.Queue[tuple[str, Mapping[str, Message]]]] = {}
        self._on_the_way: Counter[str] = Counter()
        self._changed = threading.Condition()
        for neighbour in proxies:
            self._waiting[neighbour] = queue.Queue()
            threading.Thread(target=self._deliver, args=(neighbour,), daemon=True).start()

    def post(self, neighbour: str, topic: str, items: Mapping[str, Message]) -> None:
        """Queue a message and return at once.

        Args:
            neighbour: the site to send to.
            topic: topic of the message.
            items: contents by the site that they are about.
        """
        with self._changed:
            self._on_the_way[topic] += 1
        self._waiting[neighbour].put((topic, items))

    def has(self, topic: str) -> bool:
        """Check for unsent messages of a topic.

        Args:
            topic: the topic.

        Returns:
            True if messages of the topic are still queued or in transit.
        """
        with self._changed:
            return self._on_the_way[topic] > 0

    def wait(self, seconds: float) -> None:
        """Wait until all messages are sent or dropped, at most until a time-out.

        Args:
            seconds: the time-out in s.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._on_the_way.total(), seconds)

    def _deliver(self, neighbour: str) -> None:
        while True:
            topic, items = self._waiting[neighbour].get()
            for _ in range(_TRIES):
                allowed = self.heartbeat_timeout_s + transfer_s(dict(items))
                proxy = self.proxies[neighbour](timeout=allowed, secure=self.secure)
                try:
                    proxy.deliver(topic=topic, items=cut(dict(items)))
                    break
                except CollabCallError as error:
                    logging.getLogger(__name__).warning("%s: %s", neighbour, type(error).__name__)
            with self._changed:
                self._on_the_way[topic] -= 1
                self._changed.notify_all()
