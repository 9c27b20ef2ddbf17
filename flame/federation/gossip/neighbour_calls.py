"""Calls of a site that has no server: it asks itself, and hears its neighbours.

Every site runs a ``Coordinator`` of its own over these calls. An update goes to those that hear the
site in that round; what all have to know before and after the rounds (sums of patients) is passed
on from neighbour to neighbour until every site has every answer, and is worked out alike by each.
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
"""A site's answer to a method, of arguments by name."""
SENT = "sent"
_NEWS, _MISSED = "news:", ":missed"
"""Begins topics that are passed on; ends that under which those are named that will not answer."""
_UNION = 16
"""Rounds whose links together make the neighbours that news are passed on to."""


class Mailbox:
    """What came from peers, by topic and by whom it is about; many threads may use it."""

    def __init__(self) -> None:
        self._items: dict[str, dict[str, Message]] = {}
        self._heard: dict[str, int] = {}
        self._changed = threading.Condition()

    def put(self, topic: str, sender: str, items: Mapping[str, Message]) -> None:
        """File what ``sender`` told of itself, and of news what it told of others, too.

        An update is its sender's own, or one site could pass for many; of others' news what was
        heard first stays.
        """
        own = {name: item for name, item in items.items() if name == sender}
        others = items if topic.startswith(_NEWS) else {}
        with self._changed:
            self._items[topic] = {**others, **self._items.get(topic, {}), **own}
            self._heard[sender] = self._heard.get(sender, 0) + 1
            self._changed.notify_all()

    def heard(self, sender: str) -> int:
        """How often a site was heard of."""
        with self._changed:
            return self._heard.get(sender, 0)

    def of(self, topic: str) -> dict[str, Message]:
        """What is there."""
        with self._changed:
            return dict(self._items.get(topic, {}))

    def wait(self, topic: str, wanted: set[str], seconds: float) -> dict[str, Message]:
        """What is there once all ``wanted`` are, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: wanted <= set(self._items.get(topic, {})), seconds)
            return dict(self._items.get(topic, {}))

    def drop(self, topic: str) -> None:
        """Forget a topic that is done with."""
        with self._changed:
            self._items.pop(topic, None)


class Post(Protocol):
    """Sends to a neighbour, without waiting for it."""

    def __call__(self, neighbour: str, topic: str, items: Mapping[str, Message]) -> None:
        """``items`` by the site that they are about."""


class PeerCall:
    """The calls of the site called ``name``, which ``answer`` asks itself.

    ``peers_of(sites)`` is the graph of a training. A neighbour that is silent for
    ``heartbeat_timeout_s`` where an update is due is not waited for again until it is heard of;
    ``lives`` asks it whether it is there and may still send something under a topic.
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
        """The sites of the training that the coordinator begins."""
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
        """This site's answer, and those of others as far as they are needed and heard."""
        if self.name not in sites:  # another site begins the training, or has it for itself
            return self._with_all(method, sites, arguments, None)
        mine = self.answer(method, given(self.name, each, arguments))
        if not self._repeated:  # not before this site has answered anything: it may refuse now
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
        """Wait as long as those that are missing live, up to the time-out."""
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
                if method != "describe":  # asked anew by every job
                    self._keep(topic, near, there)
                return Answers(known, dict.fromkeys(gone, "was not heard of by its neighbours"))
            if time.monotonic() >= asks:
                quiet = [name for name in near if name in sites and name not in passed | missed]
                dead = {name for name in quiet if not self.lives(name, topic)}
                self._miss(topic, list(dead & suspects))  # one lost question proves nothing
                suspects, asks = dead, time.monotonic() + self.heartbeat_timeout_s
            self.box.wait(topic, passed | {""}, 0.05)

    def _pass_on(self, topic: str, near: list[str], passed: set[str]) -> dict[str, Message]:
        """Send what is new of a topic to neighbours, and add its sites to ``passed``."""
        there = self.box.of(topic)
        news = {name: there[name] for name in set(there) - passed}
        if news:
            self._send(topic, near, news)
        passed |= set(news)
        return there

    def _miss(self, topic: str, names: list[str]) -> None:
        """Tell everybody that neighbours are dead, so that nobody waits for their answers."""
        self._silent.update({name: self.box.heard(name) for name in names})
        self.box.put(topic + _MISSED, self.name, {name: {} for name in names})

    def _is_silent(self, name: str) -> bool:
        """Whether a neighbour was found dead, and was not heard of since."""
        return name in self._silent and self.box.heard(name) == self._silent[name]

    def _near(self, sites: tuple[str, ...]) -> list[str]:
        """Everybody that hears this site in some round."""
        if len(sites) < 2:
            return []
        peers, place = self.peers_of(sites), sites.index(self.name)
        links = np.any([peers.links(k) for k in range(_UNION)], axis=0)
        return [sites[k] for k in np.flatnonzero(links[:, place])]

    def _topic(self, method: str, arguments: Message) -> str:
        """The same at every site, whatever training it has got to."""
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
        """Keep what is sent to neighbours: whoever was killed has lost what was on its way."""
        with atomic_path(self._kept(topic)) as path:
            path.write_bytes(pickle.dumps((topic, to, items)))

    def _kept(self, topic: str) -> Path:
        digest = hashlib.sha256(topic.encode()).hexdigest()[:16]
        return self.folder / SENT / f"{digest}.pickle"

    def forget(self) -> None:
        """Remove what was kept: sums of other sites are among it, and nobody waits any more."""
        shutil.rmtree(self.folder / SENT, ignore_errors=True)

    def _repeat(self) -> None:
        """After a restart, send again what neighbours may have lost with it."""
        self._repeated = True
        for path in sorted((self.folder / SENT).glob("*.pickle")):
            topic, to, items = pickle.loads(path.read_bytes())  # of this site's own making
            self._send(topic, to, items)
