"""What happens at a server or a site in words, from the lines of NVIDIA FLARE's log."""

import re
import time
from collections.abc import Iterator

_CREATED = re.compile(
    r"Connection \[(?P<id>CN\d+) .*(?:N/A => |SSL )(?P<who>\S+)\] is created: (?P<pid>.*)"
)
_CLOSED = re.compile(r"Connection \[(?P<id>CN\d+) .*\] is closed (?P<pid>.*)")
_TIME = re.compile(r"^\d{4}-\d\d-\d\d (\d\d:\d\d)")
_SETTLED_S = 2.0
"""Time in s that a new connection lasts before it counts: FLARE shows one before it has it."""
_TOLD = (
    (re.compile(r"New client ([\w-]+)@\S+ joined"), "{} joined"),
    (re.compile(r"Re-activate the client: ([\w-]+) at"), "{} joined again"),
    (re.compile(r"New admin (\S+?)@[\d.]+ joined"), "admin {} connected"),
    (re.compile(r"Reject disabled client registration: (\S+)"), "refused: {} is revoked"),
    (
        re.compile("PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        "refused: a connection without a certificate; not every visitor is a site",
    ),
    (
        re.compile("CERTIFICATE_VERIFY_FAILED.*issuer"),
        "refused: a certificate of another federation; is an old kit in use?",
    ),
    (
        re.compile("CERTIFICATE_VERIFY_FAILED.*expired"),
        "refused: an expired certificate; a kit has to be renewed",
    ),
    (
        re.compile(r"authenticated as '(\S+)' but claimed endpoint '(\S+)'"),
        "refused: the certificate of {} claims to be {}",
    ),
)
_TOLD_A_SITE = (
    (
        re.compile(r"registration rejected|disabled"),
        "refused: the server does not let this site join; ask the admin whether it is revoked",
    ),
)


class ConsoleWords:
    """Follows the log of one process of FLARE.

    Args:
        target: where a site connects to, as host:port; empty at a server.
    """

    def __init__(self, target: str = "") -> None:
        self.target = target
        self.connected = False
        self._open: dict[tuple[str, str], tuple[str, float]] = {}
        self._gone_since = ""
        self._last_refusal = ""

    def words(self, line: str) -> Iterator[str]:
        """Yield what a line means for people.

        Args:
            line: a line of FLARE's log.

        Yields:
            Messages; most lines have none.
        """
        if "Successfully registered client" in line or "Server started" in line:
            self.connected = True
            yield "connected" if "client" in line else "the server is up"
        yield from self._connections(line)
        for pattern, told in _TOLD_A_SITE if self.target else _TOLD:
            found = pattern.search(line)
            if found:
                message = told.format(*found.groups())
                if message != self._last_refusal:
                    yield message
                self._last_refusal = message if message.startswith("refused") else ""

    def settled(self) -> Iterator[str]:
        """Yield that the server is back, once a new connection has lasted."""
        newest = max((since for who, since in self._open.values() if who == self.target), default=0)
        if self._gone_since and newest and time.monotonic() - newest > _SETTLED_S:
            yield f"the server is back (gone since {self._gone_since})"
            self._gone_since = ""

    def _connections(self, line: str) -> Iterator[str]:
        if found := _CREATED.search(line):
            key = (found["id"], found["pid"])
            self._open[key] = (found["who"], time.monotonic())
        elif (found := _CLOSED.search(line)) and (
            lost := self._open.pop((found["id"], found["pid"]), None)
        ):
            who = lost[0]
            if any(who == other for other, _ in self._open.values()):
                return
            at = _TIME.match(line)
            if self.target == who and self.connected and not self._gone_since:
                self._gone_since = at[1] if at else ""
                yield f"the server is gone since {self._gone_since}; trying again"
            elif not self.target and "@" not in who:
                yield f"{who} is gone"
