"""Calls of a site that learns peer to peer, without a server.

Every site runs its own ``Coordinator`` on these calls. A call runs a method at the site itself
and collects the replies of other sites. In a round of training a site sends its update to the
neighbours that receive from it in that round. Replies that every site needs before and after the
rounds, such as sums over patients, are relayed from neighbour to neighbour until every site has
all of them. Every site then computes the same result from them.
"""

import hashlib
import json
import pickle
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from flame.core.files import atomic_path
from flame.federation.calls import Answers, given
from flame.federation.gossip.network import GossipNetwork
from flame.federation.task import Message
from flame.federation.trainings import Training

Answer = Callable[[str, Message], Message]
"""Runs a method of this site: takes its name and its arguments by name, returns the reply."""
SENT = "sent"
"""Folder, in the run folder of the site, of messages that may have to be sent again."""
_NEWS, _MISSED = "news:", ":missed"
"""Prefix of topics that are relayed, and suffix of topics that name sites that will not reply."""
_UNION = 16
"""Number of rounds whose links together define the neighbours to which replies are relayed."""


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
        own = {name: item for name, item in items.items() if name == sender}
        others = items if topic.startswith(_NEWS) else {}
        with self._changed:
            self._items[topic] = {**others, **self._items.get(topic, {}), **own}
            self._heard[sender] = self._heard.get(sender, 0) + 1
            self._changed.notify_all()

    def heard(self, sender: str) -> int:
        """Return how many messages of a site have arrived.

        Args:
            sender: name of the site.
        """
        with self._changed:
            return self._heard.get(sender, 0)

    def of(self, topic: str) -> dict[str, Message]:
        """Return the items of a topic that have arrived, by site, without waiting.

        Args:
            topic: topic of the messages.
        """
        with self._changed:
            return dict(self._items.get(topic, {}))

    def wait(self, topic: str, wanted: set[str], seconds: float) -> dict[str, Message]:
        """Wait for items of a topic, and return those that have arrived, by site.

        Args:
            topic: topic of the messages.
            wanted: names of the sites whose items end the waiting.
            seconds: longest time to wait, in s.
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


class PeerCall:
    """The calls of one site: it runs every method itself and exchanges replies with its neighbours.

    A neighbour from which no update arrives in time is not waited for in later rounds until a
    message of it arrives.

    Args:
        name: name of the site.
        answer: runs a method at the site.
        box: the messages that the site receives.
        post: sends a message to a neighbour.
        lives: returns whether a neighbour is reachable and may still send something on a topic.
        peers_of: returns the network of a training from the names of its sites.
        times: longest time to wait for a neighbour, and time without its message after which
            ``lives`` is called; in s.
        folder: run folder of the site.
    """

    def __init__(
        self,
        name: str,
        answer: Answer,
        box: Mailbox,
        post: Post,
        lives: Callable[[str, str], bool],
        peers_of: Callable[[tuple[str, ...]], GossipNetwork],
        times: tuple[float, float],
        folder: Path,
    ) -> None:
        self.name, self.answer, self.box, self.post, self.lives = name, answer, box, post, lives
        self.peers_of, self.folder = peers_of, folder
        self.timeout_s, self.heartbeat_timeout_s = times
        self._silent: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._training = ""
        self._everyone: tuple[str, ...] = (name,)
        self._repeated = False

    def taking_part(self, federation: Training) -> tuple[str, ...]:
        """Begin a training and return the names of its sites, sorted.

        Args:
            federation: the training.
        """
        self._training, self._everyone = federation.name, tuple(sorted(federation.centres))
        return self._everyone

    def __call__(
        self,
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Answers:
        """Call a method at the site itself and collect the replies of other sites.

        In a round of training these are the replies of the neighbours, else those of all ``sites``.

        Args:
            method: name of the method.
            sites: names of the sites that run the method.
            each: further arguments by site; only this site's own are used.
            enough: not used; it belongs to the interface of ``Call``.
            arguments: arguments of the method at every site.

        Returns:
            The replies by site, and for each missing site the reason.
        """
        if self.name not in sites:  # another site runs it; this one needs the reply
            return self._with_all(method, sites, arguments, None)
        mine = self.answer(method, given(self.name, each, arguments))
        if not self._repeated:  # after the first reply, as the site may refuse
            self._repeat()
        if method == "train":
            return self._with_neighbours(arguments["name"], arguments["number"], sites, mine)
        return self._with_all(method, sites, arguments, mine)

    def _with_neighbours(
        self, training: str, number: int, sites: tuple[str, ...], mine: Message
    ) -> Answers:
        if len(sites) == 1:
            return Answers({self.name: mine})
        topic, peers, place = f"{training}:{number}", self.peers_of(sites), sites.index(self.name)
        there = peers.participating(number - 1)
        links = peers.links(number - 1) & there & there[:, None]
        hearers = [sites[k] for k in np.flatnonzero(links[:, place])]
        self._keep(topic, hearers, {self.name: mine})
        self._send(topic, hearers, {self.name: mine})
        self._kept(f"{training}:{number - 2}").unlink(missing_ok=True)
        wanted = {sites[k] for k in np.flatnonzero(links[place])}
        heard = self._wait(topic, {name for name in wanted if not self._is_silent(name)})
        lost = dict.fromkeys(wanted - set(heard), "was silent")
        for name in lost:
            self._silent[name] = self.box.heard(name)
        self.box.drop(f"{training}:{number - 1}")
        got = {name: heard[name] for name in wanted & set(heard)}
        return Answers({**got, self.name: mine}, lost)

    def _wait(self, topic: str, wanted: set[str]) -> dict[str, Message]:
        """Wait for the sites in ``wanted`` up to the time-out; stop for those that do not live."""
        end = time.monotonic() + self.timeout_s
        while True:
            there = self.box.wait(
                topic, wanted, min(self.heartbeat_timeout_s, end - time.monotonic())
            )
            missing = wanted - set(there)
            if not missing or time.monotonic() >= end:
                return there
            wanted -= {name for name in missing if not self.lives(name, topic)}

    def _with_all(
        self, method: str, sites: tuple[str, ...], arguments: Message, mine: Message | None
    ) -> Answers:
        everyone = self._everyone if len(sites) == 1 else sites
        topic = self._topic(method, arguments)
        near, passed, missed = self._near(everyone), set[str](), set[str]()
        asks, end = time.monotonic() + self.heartbeat_timeout_s, time.monotonic() + self.timeout_s
        silent = [name for name in near if self._is_silent(name)]
        self._miss(topic, [name for name in silent if not self.lives(name, topic)])
        suspects = set[str]()
        if mine is not None:
            self.box.put(topic, self.name, {self.name: mine})
        while True:
            there = self._pass_on(topic, near, passed)
            self._pass_on(topic + _MISSED, near, missed)
            gone = set(sites) - passed
            if not gone or missed & gone or time.monotonic() >= end:
                known = {name: there[name] for name in sites if name in passed}
                if method != "describe":  # every job calls it again
                    self._keep(topic, near, there)
                return Answers(known, dict.fromkeys(gone, "was not heard of by its neighbours"))
            if time.monotonic() >= asks:
                quiet = [name for name in near if name in sites and name not in passed | missed]
                dead = {name for name in quiet if not self.lives(name, topic)}
                self._miss(topic, list(dead & suspects))  # a single failed check proves nothing
                suspects, asks = dead, time.monotonic() + self.heartbeat_timeout_s
            self.box.wait(topic, passed | {""}, 0.05)

    def _pass_on(self, topic: str, near: list[str], passed: set[str]) -> dict[str, Message]:
        """Send new items of a topic to the neighbours, and add their sites to ``passed``."""
        there = self.box.of(topic)
        news = {name: there[name] for name in set(there) - passed}
        if news:
            self._send(topic, near, news)
        passed |= set(news)
        return there

    def _miss(self, topic: str, names: list[str]) -> None:
        """Announce that neighbours are dead, so that no site waits for their replies."""
        self._silent.update({name: self.box.heard(name) for name in names})
        self.box.put(topic + _MISSED, self.name, {name: {} for name in names})

    def _is_silent(self, name: str) -> bool:
        """Whether a neighbour was dead when last checked and has sent nothing since."""
        return name in self._silent and self.box.heard(name) == self._silent[name]

    def _near(self, sites: tuple[str, ...]) -> list[str]:
        """Names of the sites that receive from this site in some round."""
        if len(sites) < 2:
            return []
        peers, place = self.peers_of(sites), sites.index(self.name)
        links = np.any([peers.links(k) for k in range(_UNION)], axis=0)
        return [sites[k] for k in np.flatnonzero(links[:, place])]

    def _topic(self, method: str, arguments: Message) -> str:
        """Topic of a call; every site gets the same, whatever training it has reached."""
        told = {k: v for k, v in arguments.items() if isinstance(v, str | int | float | dict)}
        training = "" if method == "describe" else self._training
        plain = json.dumps([training, method, told], sort_keys=True, default=lambda _: "")
        label = hashlib.sha256(plain.encode()).hexdigest()[:16]
        self._asked[label] = self._asked.get(label, 0) + 1
        return f"{_NEWS}{method}:{label}:{self._asked[label]}"

    def _send(self, topic: str, to: list[str], items: Mapping[str, Message]) -> None:
        for name in to:
            self.post(name, topic, items)

    def _keep(self, topic: str, to: list[str], items: dict[str, Message]) -> None:
        """Store a message on disk: a site that is killed loses what it has not delivered."""
        with atomic_path(self._kept(topic)) as path:
            path.write_bytes(pickle.dumps((topic, to, items)))

    def _kept(self, topic: str) -> Path:
        digest = hashlib.sha256(topic.encode()).hexdigest()[:16]
        return self.folder / SENT / f"{digest}.pickle"

    def forget(self) -> None:
        """Delete the stored messages: they hold sums of other sites and are not needed any more."""
        shutil.rmtree(self.folder / SENT, ignore_errors=True)

    def _repeat(self) -> None:
        """After a restart, send the stored messages again: some may not have been delivered."""
        self._repeated = True
        for path in sorted((self.folder / SENT).glob("*.pickle")):
            topic, to, items = pickle.loads(path.read_bytes())  # this site wrote it
            self._send(topic, to, items)
