"""What a site has yet to hand to its neighbours; none of them holds up the others."""

import logging
import queue
import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

from nvflare.collab.api.exceptions import CollabCallError

from flame.federation.task import Message

_TRIES = 2


class Outbox:
    """Messages of a site; one that a neighbour does not take is lost.

    They pass through the server: where they are ``secure`` it cannot read them.
    """

    def __init__(
        self, proxies: Mapping[str, Any], heartbeat_timeout_s: float, secure: bool
    ) -> None:
        self.proxies, self.heartbeat_timeout_s, self.secure = proxies, heartbeat_timeout_s, secure
        self._waiting: dict[str, queue.Queue[tuple[str, Mapping[str, Message]]]] = {}
        self._on_the_way: Counter[str] = Counter()
        self._changed = threading.Condition()
        for neighbour in proxies:
            self._waiting[neighbour] = queue.Queue()
            threading.Thread(target=self._deliver, args=(neighbour,), daemon=True).start()

    def post(self, neighbour: str, topic: str, items: Mapping[str, Message]) -> None:
        """Send, without waiting for it."""
        with self._changed:
            self._on_the_way[topic] += 1
        self._waiting[neighbour].put((topic, items))

    def has(self, topic: str) -> bool:
        """Whether something under a topic is still on its way."""
        with self._changed:
            return self._on_the_way[topic] > 0

    def wait(self, seconds: float) -> None:
        """Until nothing is on its way, or for so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._on_the_way.total(), seconds)

    def _deliver(self, neighbour: str) -> None:
        while True:
            topic, items = self._waiting[neighbour].get()
            for _ in range(_TRIES):
                proxy = self.proxies[neighbour](
                    timeout=self.heartbeat_timeout_s, secure=self.secure
                )
                try:
                    proxy.deliver(topic=topic, items=dict(items))
                    break
                except CollabCallError as error:
                    logging.getLogger(__name__).warning("%s: %s", neighbour, type(error).__name__)
            with self._changed:
                self._on_the_way[topic] -= 1
                self._changed.notify_all()
