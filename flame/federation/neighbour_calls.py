"""Calls of a site that learns peer to peer, without a server.

Every site runs its own ``Coordinator`` on these calls. A call runs a method at the site itself
and collects the replies of other sites. In a round of training a site sends its update to the
neighbours that receive from it in that round. Before and after the rounds every site needs all
replies, such as sums over patients. These are relayed from neighbour to neighbour until every site
has all of them. Every site then computes the same result from them.
"""

import hashlib
import json
import pickle
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.files import atomic_path
from flame.federation.calls import Replies, arguments_of
from flame.federation.gossip.network import GossipNetwork
from flame.federation.mailbox import RELAYED, Mailbox, Neighbours, Post
from flame.federation.task import Message
from flame.federation.trainings import Training

LocalCall = Callable[[str, Message], Message]
"""Runs a method of this site: takes its name and its arguments by name, returns the reply."""
SENT = "sent"
"""Folder, in the run folder of the site, of messages that may have to be sent again."""
_MISSING = ":missed"
"""Suffix of topics that name sites that will not reply."""
_UNION = 16
"""Number of rounds whose links together define the neighbours to which replies are relayed."""
_WAKE_S = 0.05
"""Interval in s between two checks for items to relay."""


class PeerCall:
    """The calls of one site: it runs every method itself and exchanges replies with its neighbours.

    Args:
        name: name of the site.
        local_call: runs a method at the site.
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
        local_call: LocalCall,
        box: Mailbox,
        post: Post,
        lives: Callable[[str, str], bool],
        peers_of: Callable[[tuple[str, ...]], GossipNetwork],
        times: tuple[float, float],
        folder: Path,
    ) -> None:
        self.name = name
        self.local_call = local_call
        self.box = box
        self.post = post
        self.lives = lives
        self.peers_of = peers_of
        self.folder = folder
        self.timeout_s, self.heartbeat_timeout_s = times
        self.neighbours = Neighbours(box, lives, times)
        self._queried: dict[str, int] = {}
        self._training = ""
        self._everyone: tuple[str, ...] = (name,)
        self._repeated = False

    def taking_part(self, federation: Training) -> tuple[str, ...]:
        """Begin a training, and return the sites that take part in it.

        Args:
            federation: the training.

        Returns:
            Names of the sites, sorted.
        """
        self._training = federation.name
        self._everyone = tuple(sorted(federation.centres))
        return self._everyone

    def __call__(
        self,
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Replies:
        """Call a method at the site itself and collect the replies of other sites.

        In a round of training these are the replies of the neighbours, otherwise those of all
        ``sites``.

        Args:
            method: name of the method.
            sites: names of the sites that run the method.
            each: further arguments by site; only those of this site are used.
            enough: not used; it belongs to the interface of ``Call``.
            **arguments: arguments of the method at every site.

        Returns:
            The replies by site, and for each missing site the reason.
        """
        if self.name not in sites:  # another site runs it; this one needs the reply
            return self._with_all(method, sites, arguments, None)
        reply = self.local_call(method, arguments_of(self.name, each, arguments))
        if not self._repeated:  # after the first reply, as the site may refuse
            self._repeat()
        if method == "train":
            return self._with_neighbours(arguments["name"], arguments["number"], sites, reply)
        return self._with_all(method, sites, arguments, reply)

    def _with_neighbours(
        self, training: str, number: int, sites: tuple[str, ...], reply: Message
    ) -> Replies:
        """Exchange the updates of a round with the neighbours; ``reply`` is this site's update."""
        if len(sites) == 1:
            return Replies({self.name: reply})
        topic = f"{training}:{number}"
        peers = self.peers_of(sites)
        place = sites.index(self.name)
        participating = peers.participating(number - 1)
        links = peers.links(number - 1) & participating & participating[:, None]
        receivers = [sites[k] for k in np.flatnonzero(links[:, place])]
        self._keep(topic, receivers, {self.name: reply})
        self._send(topic, receivers, {self.name: reply})
        self._stored(f"{training}:{number - 2}").unlink(missing_ok=True)
        wanted = {sites[k] for k in np.flatnonzero(links[place])}
        got = self.neighbours.wait(topic, wanted)
        self.box.drop(f"{training}:{number - 1}")
        lost = dict.fromkeys(wanted - set(got), "was silent")
        return Replies({**got, self.name: reply}, lost)

    def _with_all(
        self, method: str, sites: tuple[str, ...], arguments: Message, reply: Message | None
    ) -> Replies:
        """Relay replies until all ``sites`` have replied; ``reply`` is this site's, if it has one.

        ``relayed`` names the sites whose replies this site has relayed, and ``missing`` those that
        will not reply.
        """
        everyone = self._everyone if len(sites) == 1 else sites
        topic = self._topic(method, arguments)
        near = self._near(everyone)
        relayed = set[str]()
        missing = set[str]()
        next_check = time.monotonic() + self.heartbeat_timeout_s
        end = time.monotonic() + self.timeout_s
        silent = [name for name in near if self.neighbours.is_silent(name)]
        self._miss(topic, [name for name in silent if not self.lives(name, topic)])
        suspects = set[str]()
        if reply is not None:
            self.box.put(topic, self.name, {self.name: reply})
        while True:
            items = self._relay(topic, near, relayed)
            self._relay(topic + _MISSING, near, missing)
            outstanding = set(sites) - relayed
            if not outstanding or missing & outstanding or time.monotonic() >= end:
                known = {name: items[name] for name in sites if name in relayed}
                if method != "describe":  # every job calls it again
                    self._keep(topic, near, items)
                lost = dict.fromkeys(outstanding, "sent no reply that reached this site")
                return Replies(known, lost)
            if time.monotonic() >= next_check:
                quiet = [name for name in near if name in sites and name not in relayed | missing]
                dead = {name for name in quiet if not self.lives(name, topic)}
                self._miss(topic, list(dead & suspects))  # a single failed check proves nothing
                suspects = dead
                next_check = time.monotonic() + self.heartbeat_timeout_s
            self.box.wait(topic, relayed | {""}, _WAKE_S)  # "" never arrives

    def _relay(self, topic: str, near: list[str], relayed: set[str]) -> dict[str, Message]:
        """Send new items of a topic to the neighbours, and add their sites to ``relayed``."""
        items = self.box.of(topic)
        news = {name: items[name] for name in set(items) - relayed}
        if news:
            self._send(topic, near, news)
        relayed |= set(news)
        return items

    def _miss(self, topic: str, names: list[str]) -> None:
        """Announce that neighbours are dead, so that no site waits for their replies."""
        self.neighbours.silence(names)
        self.box.put(topic + _MISSING, self.name, {name: {} for name in names})

    def _near(self, sites: tuple[str, ...]) -> list[str]:
        """Names of the sites that receive from this site in some round."""
        if len(sites) < 2:
            return []
        peers = self.peers_of(sites)
        place = sites.index(self.name)
        links = np.any([peers.links(k) for k in range(_UNION)], axis=0)
        return [sites[k] for k in np.flatnonzero(links[:, place])]

    def _topic(self, method: str, arguments: Message) -> str:
        """Return the topic of a call, the same at every site, whatever training it has reached."""
        plain = {k: v for k, v in arguments.items() if isinstance(v, str | int | float | dict)}
        training = "" if method == "describe" else self._training
        text = json.dumps([training, method, plain], sort_keys=True, default=lambda _: "")
        label = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._queried[label] = self._queried.get(label, 0) + 1
        return f"{RELAYED}{method}:{label}:{self._queried[label]}"

    def _send(self, topic: str, to: list[str], items: Mapping[str, Message]) -> None:
        for name in to:
            self.post(name, topic, items)

    def _keep(self, topic: str, to: list[str], items: dict[str, Message]) -> None:
        """Store a message on disk: a site that is killed loses what it has not delivered."""
        with atomic_path(self._stored(topic)) as path:
            path.write_bytes(pickle.dumps((topic, to, items)))

    def _stored(self, topic: str) -> Path:
        digest = hashlib.sha256(topic.encode()).hexdigest()[:16]
        return self.folder / SENT / f"{digest}.pickle"

    def forget(self) -> None:
        """Delete the stored messages: they hold sums of other sites and are no longer needed."""
        shutil.rmtree(self.folder / SENT, ignore_errors=True)

    def _repeat(self) -> None:
        """After a restart, send the stored messages again: some may not have been delivered."""
        self._repeated = True
        for path in sorted((self.folder / SENT).glob("*.pickle")):
            topic, to, items = pickle.loads(path.read_bytes())  # this site wrote it
            self._send(topic, to, items)
