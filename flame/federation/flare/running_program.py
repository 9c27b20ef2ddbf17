"""A program in a thread, whose messages to other processes FLARE carries."""

import importlib
import json
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nvflare.collab import collab
from nvflare.collab.api.exceptions import CollabCallError

from flame.core.errors import BadInput, FlameError, Refusal
from flame.federation.flare.failures import in_words, logged_kind
from flame.federation.flare.outbox import Outbox
from flame.federation.flare.pieces import joined
from flame.federation.mailbox import SERVER, Mailbox, Neighbours
from flame.federation.task import Message

PROGRAMS: Mapping[str, str] = {"stream": "flame.streams.nodes.program"}
"""Module of each kind of program; its ``node_program`` and ``server_program`` open them."""
_PING_S = 3.0
"""Time-out in s of a check whether another process is alive."""
_STEPS_KEPT = 1
"""Earlier steps of which messages are still stored."""
_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_TOPIC = re.compile(rf"{_NUMBER}:{_NUMBER}\.(?:[1-9]?[0-9]|present|merge|round)(?::back)?")
"""Job and round, then the number or the name of a message in the round, and whether it is a reply.
Each is written in one way, so that nobody fills a mailbox with topics that mean the same."""


class RunningProgram:
    """A program in a thread, with its mailbox.

    ``state`` holds ``position``, ``total``, ``positions`` from which the program can go on,
    ``finished`` and ``error``; it may leave the site.

    Args:
        program: the program, as ``NodeProgram`` of streams.
        proxies: FLARE's proxy of each process that it sends to, by name.
        times: see ``Neighbours``.
        box: what other processes have sent.
        folder: kit, or run folder, beside which errors are logged.
        provisioned: whether this is a real site: its messages to others are encrypted end to end,
            and of an error only the kind leaves it.
    """

    def __init__(
        self,
        program: Any,
        proxies: Mapping[str, Any],
        times: tuple[float, float],
        box: Mailbox,
        folder: Path,
        provisioned: bool,
    ) -> None:
        self.program = program
        self.proxies = proxies
        self.times = times
        self.box = box
        self.folder = folder
        self.provisioned = provisioned
        self.state: Message = {"finished": False, "error": "", "refused": False}
        positions = program.positions()
        self.state |= {"position": positions[-1], "positions": positions, "total": program.total}
        to_server = {name: p for name, p in proxies.items() if name == SERVER}
        to_sites = {name: p for name, p in proxies.items() if name != SERVER}
        self._outboxes = (
            Outbox(to_server, times[1], secure=False),
            Outbox(to_sites, times[1], secure=provisioned and bool(to_server)),
        )
        self._latest = (-1, -1, -1)
        self._thread: threading.Thread | None = None

    def begin(self, position: int) -> None:
        """Start the program, once.

        Args:
            position: number of steps that are done.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(position,), daemon=True)
            self._thread.start()

    def _work(self, position: int) -> None:
        def progress(done: int, total: int) -> None:
            self.state.update(position=done, total=total)

        try:
            neighbours = Neighbours(self.box, self._lives, self.times)
            self.program.run(position, neighbours, self._post, progress)
            for outbox in self._outboxes:
                outbox.wait(self.times[1])
            self.state.update(finished=True)
        except Exception as error:
            self.state.update(told_of(error, "node", self.folder, self.provisioned))

    def owes(self, topic: str) -> bool:
        """Check whether another process may still expect a message of a topic from this one.

        Args:
            topic: the topic: number of the job and of the round.

        Returns:
            True if a message of the topic is not sent yet, or may still be created.
        """
        if any(outbox.has(topic) for outbox in self._outboxes):
            return True
        if self.state["finished"] or self.state["error"]:
            return False
        return place_of(topic, self.program.rounds) > self._latest

    def expects(self, topic: str) -> bool:
        """Check whether a message of a topic can be of use, so that no other fills the mailbox.

        Args:
            topic: the topic.

        Returns:
            Whether it is of a job of this run, and of the last, the present or a later step.
        """
        if not _TOPIC.fullmatch(topic):
            return False
        step, job, _ = place_of(topic, self.program.rounds)
        known = job < len(self.program.jobs) and step < self.program.total
        return known and self._latest[0] - _STEPS_KEPT <= step

    def _post(self, to: str, topic: str, items: Mapping[str, Message]) -> None:
        if to in self.proxies:  # another site may not be there
            self._outboxes[to != SERVER].post(to, topic, items)
        self._latest = max(self._latest, place_of(topic, self.program.rounds))

    def _lives(self, name: str, topic: str) -> bool:
        if name not in self.proxies:
            return False
        try:
            return bool(self.proxies[name](timeout=_PING_S).owes(topic=topic))
        except CollabCallError:
            return False


def program_of(kind: str) -> Any:
    """Open the module of a kind of program.

    Args:
        kind: the kind.

    Returns:
        The module, with ``node_program`` and ``server_program``.

    Raises:
        BadInput: the kind is unknown.
    """
    if kind not in PROGRAMS:
        raise BadInput(f"unknown kind of program '{kind}'")
    return importlib.import_module(PROGRAMS[kind])


def times_of(config: str) -> tuple[float, float]:
    """Return how long a program waits for another: in all, and without a response, in s.

    Args:
        config: configuration of the program as JSON.

    Returns:
        ``sites.timeout_s`` and ``sites.heartbeat_timeout_s``.
    """
    sites = json.loads(config)["sites"]
    return float(sites["timeout_s"]), float(sites["heartbeat_timeout_s"])


def least_of(config: str, names: Sequence[str]) -> int:
    """Return the number of sites without which a run fails.

    Args:
        config: configuration of the program as JSON.
        names: names of all sites.

    Returns:
        ``sites.min_sites``; all where it is 0.
    """
    return int(json.loads(config)["sites"]["min_sites"]) or len(names)


def proxies_of(names: list[str], but: str = "") -> dict[str, Any]:
    """Find FLARE's proxy of each site of a job that is there.

    Args:
        names: names of the sites.
        but: name of a site that is left out.

    Returns:
        Proxies by name.
    """
    there = {proxy.name: proxy for proxy in collab.clients}
    return {name: there[name] for name in names if name in there and name != but}


def told_of(error: Exception, what: str, folder: Path, provisioned: bool) -> Message:
    """Describe an error as it may leave a process.

    Args:
        error: the error.
        what: what was done.
        folder: folder beside which the error is logged.
        provisioned: whether this is a real site, which tells the kind of an error alone.

    Returns:
        ``error`` in words, and ``refused``: whether it would come again.
    """
    final = isinstance(error, BadInput | Refusal)
    if isinstance(error, Refusal) or (isinstance(error, FlameError) and not provisioned):
        return {"error": str(error), "refused": final}
    return {"error": in_words(logged_kind(what, error, folder)), "refused": final}


def place_of(topic: str, rounds: int) -> tuple[int, int, int]:
    """Read a topic.

    Args:
        topic: number of the job and of the round.
        rounds: rounds of a step.

    Returns:
        Step, job and round: in the order in which messages come.
    """
    job, number = topic.split(":")[:2]
    at = int(number.split(".")[0])
    return at // rounds, int(job), at


def delivered(
    running: RunningProgram | None, box: Mailbox, topic: str, items: dict[str, Any]
) -> bool:
    """Store a message of another process, if it is of use.

    Args:
        running: the program; None: it has not begun.
        box: its mailbox.
        topic: topic of the message.
        items: contents by the sender.

    Returns:
        Whether the message is stored.
    """
    if running is None or not running.expects(topic):
        return False
    try:
        box.put(topic, collab.caller, joined(items, Path(collab.workspace.get_root_dir())))
    except Exception as error:  # whatever another process sends
        logged_kind("deliver", error, running.folder)
        return False
    return True
