"""Messages between sites that learn peer to peer: the mailbox of a site, and whom it waits for."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from flame.federation.task import Message

SERVER = "server"
"""Name of the server among the senders of messages, which no site can have."""
RELAYED = "news:"
"""Prefix of topics that are relayed."""


class Mailbox:
    """Messages received from peers, by topic and by the site that they are about; thread-safe."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, Message]] = {}
        self._heard: dict[str, int] = {}
        self._changed = threading.Condition()

    def put(self, topic: str, sender: str, items: Mapping[str, Message]) -> None:
        """Store a message.

        On every topic a sender may send an item about itself. Items about other sites are accepted
        on relayed topics only, so that no site can send the update of another. An item about
        another site never replaces a stored one.

        Args:
            topic: topic of the message.
            sender: name of the site that sent it.
            items: contents by the site that they are about.
        """
        about_sender = {name: item for name, item in items.items() if name == sender}
        relayed = items if topic.startswith(RELAYED) else {}
        with self._changed:
            self._items[topic] = {**relayed, **self._items.get(topic, {}), **about_sender}
            self._heard[sender] = self._heard.get(sender, 0) + 1
            self._changed.notify_all()

    def heard(self, sender: str) -> int:
        """Count the messages of a site that have arrived.

        Args:
            sender: name of the site.

        Returns:
            Number of messages on all topics.
        """
        with self._changed:
            return self._heard.get(sender, 0)

    def of(self, topic: str) -> dict[str, Message]:
        """Return the items of a topic that have arrived, without waiting.

        Args:
            topic: topic of the messages.

        Returns:
            Items by the site that they are about.
        """
        with self._changed:
            return dict(self._items.get(topic, {}))

    def wait(self, topic: str, wanted: set[str], seconds: float) -> dict[str, Message]:
        """Wait for items of a topic, and return those that have arrived.

        Args:
            topic: topic of the messages.
            wanted: names of the sites whose items end the waiting, once all have arrived.
            seconds: longest time to wait, in s.

        Returns:
            Items by the site that they are about; some of ``wanted`` may be missing.
        """
        with self._changed:
            self._changed.wait_for(lambda: wanted <= set(self._items.get(topic, {})), seconds)
            return dict(self._items.get(topic, {}))

    def drop(self, topic: str) -> None:
        """Delete the items of a topic.

        Args:
            topic: topic of the messages.
        """
        with self._changed:
            self._items.pop(topic, None)


class Post(Protocol):
    """Sends a message to a neighbour and returns at once."""

    def __call__(self, neighbour: str, topic: str, items: Mapping[str, Message]) -> None:
        """Send ``items`` to ``neighbour``.

        Args:
            neighbour: name of the receiving site.
            topic: topic of the message.
            items: contents by the site that they are about.
        """


class Neighbours:
    """Waits for neighbours, but not for those that are silent.

    If the message of a neighbour does not arrive in time, the site does not wait for this neighbour
    again until a message from it arrives.

    Args:
        box: the messages that the site receives.
        lives: returns whether a neighbour is reachable and may still send something on a topic.
        times: longest time to wait for a neighbour, and time without its message after which
            ``lives`` is called; in s.
    """

    def __init__(
        self, box: Mailbox, lives: Callable[[str, str], bool], times: tuple[float, float]
    ) -> None:
        self.box = box
        self.lives = lives
        self.timeout_s, self.heartbeat_timeout_s = times
        self._silent: dict[str, int] = {}

    def wait(self, topic: str, wanted: set[str]) -> dict[str, Message]:
        """Wait for the messages of neighbours.

        Args:
            topic: topic of the messages.
            wanted: names of the neighbours.

        Returns:
            Messages by neighbour; those that did not arrive are missing.
        """
        items = self._until(topic, {name for name in wanted if not self.is_silent(name)})
        got = {name: items[name] for name in wanted & set(items)}
        self.silence(wanted - set(got))
        return got

    def _until(self, topic: str, wanted: set[str]) -> dict[str, Message]:
        """Wait for the sites in ``wanted`` up to the time-out; stop for those that do not live."""
        end = time.monotonic() + self.timeout_s
        while True:
            seconds = min(self.heartbeat_timeout_s, end - time.monotonic())
            items = self.box.wait(topic, wanted, seconds)
            missing = wanted - set(items)
            if not missing or time.monotonic() >= end:
                return items
            wanted = wanted - {name for name in missing if not self.lives(name, topic)}

    def silence(self, names: Iterable[str]) -> None:
        """Wait no longer for neighbours, until a message of theirs arrives.

        Args:
            names: names of the neighbours.
        """
        self._silent.update({name: self.box.heard(name) for name in names})

    def is_silent(self, name: str) -> bool:
        """Whether a neighbour was silent when last waited for, and has sent nothing since."""
        return name in self._silent and self.box.heard(name) == self._silent[name]
