"""Calls from FLARE's server to its sites that survive broken links, slow sites and dead sites."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

from nvflare.collab import collab
from nvflare.collab.api.exceptions import CollabCallError, RunAborted

from flame.core.errors import BadInput
from flame.federation.calls import Replies, arguments_of
from flame.federation.flare.failures import in_words
from flame.federation.flare.limits import SLOWEST, transfer_s
from flame.federation.flare.pieces import cut, joined
from flame.federation.flare.site import READY
from flame.federation.task import Message

_WAIT_S = 5.0
"""Longest time in s for which a site holds a call until its reply is ready."""
_PING_S = 3.0
"""Time-out of a ping in s."""
_PAUSE_S = 0.5
"""Pause in s before a call is repeated after a broken link."""
_FETCHES = 4
"""Number of attempts to fetch a large reply."""
_MOST_BYTES = 16 * 2**30
"""Largest reply that a site may announce."""
_LONG_S = 10.0
"""Time in s for a message above which it is told."""
_LINES = 8
"""Exchanges with a site that can be stuck in FLARE at the same time."""


class SiteLost(Exception):
    """A site did not reply; the message says why."""


class Calls:
    """Calls sites in parallel, and repeats a call whose reply was lost.

    A site that does not respond for ``heartbeat_timeout_s`` is lost, even while FLARE still waits
    for a part of its reply. From then on it is pinged once every ``heartbeat_timeout_s``, until it
    responds. A site that needs longer than ``timeout_s``, and the time to transfer the arguments,
    is lost for this call only. ``silent`` maps each lost site to the time of its next ping, and
    ``refused`` holds the sites that refused a call.

    Args:
        names: names of the sites.
        timeout_s: time that a site has to finish a call, in s.
        heartbeat_timeout_s: time without a response after which a site is lost, in s.
        folder: folder in which large replies lie until they are used, in files without a name.
        say: called with what a large message is allowed to take, in words.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        timeout_s: float,
        heartbeat_timeout_s: float,
        folder: Path,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.proxies = {name: collab.get_clients([name])[0] for name in names}
        self.timeout_s = timeout_s
        self.heartbeat_timeout_s = heartbeat_timeout_s
        self.silent: dict[str, float] = {}
        self.refused: set[str] = set()
        self.folder = folder
        self.say = say
        self._allowed_s = 0.0  # the most that was told
        self._calls = 0
        self._fetching = threading.Lock()
        self._pool = ThreadPoolExecutor(len(names))
        self._lines = ThreadPoolExecutor(_LINES * len(names))
        self._pending: dict[str, Future[Message]] = {}

    def __call__(
        self,
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Replies:
        """Call ``method`` at each of ``sites``; see ``flame.federation.calls.Call``."""
        if not enough:
            wait(self._pending.values())  # replies that no call waited for are dropped
            self._pending.clear()
        self._calls += 1
        for site in sites:
            if site not in self._pending:
                site_arguments = arguments_of(site, each, arguments)
                self._pending[site] = self._pool.submit(
                    self._reply_of, site, f"{self._calls}", method, site_arguments
                )
        self._wait_for(enough or len(sites))
        replies = Replies({})
        for site in [name for name, pending in self._pending.items() if pending.done()]:
            try:
                replies.got[site] = self._pending.pop(site).result()
            except SiteLost as lost:
                replies.lost[site] = str(lost)
        return replies

    def _wait_for(self, count: int) -> None:
        """Wait until ``count`` of the pending calls are done, or all if there are fewer."""
        pending = self._pending.values()
        while sum(future.done() for future in pending) < min(count, len(pending)):
            wait([f for f in pending if not f.done()], return_when=FIRST_COMPLETED)

    def _reply_of(self, site: str, number: str, method: str, arguments: Message) -> Message:
        """Call a site, and repeat the call until its reply arrives or the site is lost."""
        if site in self.silent:
            if time.monotonic() < self.silent[site]:
                raise SiteLost("is still silent")
            if not self._lives(site):
                raise self._silent(site, "is still silent")
            del self.silent[site]
        started = time.monotonic()
        last_response = started
        is_known = False  # whether the site has received the call
        transfer = transfer_s(arguments)
        self._tell(site, transfer)
        while time.monotonic() - started < self.timeout_s + transfer:
            allowed = self.heartbeat_timeout_s + _WAIT_S + (0 if is_known else transfer)
            proxy = self.proxies[site](timeout=allowed)
            ask: Callable[[], Message]
            if is_known:
                ask = partial(proxy.again, number=number, wait=_WAIT_S)
            else:
                ask = partial(
                    proxy.call, number=number, method=method, arguments=cut(arguments), wait=_WAIT_S
                )
            reply = self._unless_broken(site, ask, last_response)
            if reply is None:
                continue
            last_response = time.monotonic()
            if READY in reply:
                reply = self._fetched(site, number, reply[READY])
            is_known = "unknown" not in reply
            if is_known and "busy" not in reply:
                return self._accepted(site, self._whole(reply))
        raise SiteLost(f"took longer than federation.timeout_s = {self.timeout_s:g} s")

    def _fetched(self, site: str, number: str, size: Any) -> Message:
        """Fetch a large reply, after those of others so that memory does not hold several.

        A site waits for others no longer than its own reply may take: none can hold up all.
        """
        if type(size) is not int or not 0 < size <= _MOST_BYTES:
            raise SiteLost("announced a reply of no possible size")
        allowed = self.heartbeat_timeout_s + size / SLOWEST
        for _ in range(_FETCHES):
            has_turn = self._fetching.acquire(timeout=allowed)
            try:
                ask = partial(self.proxies[site](timeout=allowed).fetch, number=number)
                if (reply := self._unless_broken(site, ask, time.monotonic())) is not None:
                    return self._whole(reply)
            finally:
                if has_turn:
                    self._fetching.release()
        raise SiteLost(f"did not send its reply of {size / 1e6:.0f} MB, asked {_FETCHES} times")

    def _whole(self, reply: Message) -> Message:
        """Join the arrays of a reply; SiteLost if the site sent what is none."""
        try:
            whole: Message = joined(reply, self.folder)
        except (ValueError, TypeError) as error:
            raise SiteLost(f"sent {error}") from None
        return whole

    def _unless_broken(
        self, site: str, ask: Callable[[], Message], last_response: float
    ) -> Message | None:
        """Return what ``ask`` returns, or None after a broken link; SiteLost after a silence."""
        try:
            return self._watched(site, ask)
        except RunAborted:
            raise
        except CollabCallError:
            silence_s = time.monotonic() - last_response
            if silence_s > self.heartbeat_timeout_s and not self._lives(site):
                raise self._silent(site) from None
            time.sleep(_PAUSE_S)
            return None

    def _tell(self, site: str, transfer: float) -> None:
        """Say how long a message may take, for the largest so far if it is a large one."""
        if transfer > max(_LONG_S, self._allowed_s):
            self._allowed_s = transfer
            megabytes = transfer * SLOWEST / 1e6
            self.say(
                f"{megabytes:.0f} MB go to {site} and the other sites; {transfer:.0f} s each way "
                "are allowed beside federation.timeout_s"
            )

    def _watched(self, site: str, ask: Callable[[], Message]) -> Message:
        """Return what ``ask`` returns; SiteLost once the site is silent, whatever FLARE awaits."""
        exchange = self._lines.submit(ask)
        alive_at = time.monotonic()
        every = _WAIT_S + self.heartbeat_timeout_s / 4
        while not wait([exchange], timeout=every).done:
            if self._lives(site):
                alive_at = time.monotonic()
            elif time.monotonic() - alive_at > self.heartbeat_timeout_s:
                raise self._silent(site)
        return exchange.result()

    def _silent(self, site: str, how: str = "") -> SiteLost:
        """Note when to ping a lost site next; one ping without a response does not make it lost."""
        self.silent[site] = time.monotonic() + self.heartbeat_timeout_s
        return SiteLost(how or f"was silent for {self.heartbeat_timeout_s:g} s")

    def _lives(self, site: str) -> bool:
        try:
            return bool(self.proxies[site](timeout=_PING_S).alive())
        except RunAborted:
            raise
        except CollabCallError:
            return False

    def _accepted(self, site: str, reply: Message) -> Message:
        """Return the reply; SiteLost if the site refused or failed."""
        if "refused" in reply:
            self.refused.add(site)
            raise SiteLost(str(reply["refused"]))
        if "failed" in reply:
            if reply["failed"] == BadInput.__name__:  # which another job would not change
                self.refused.add(site)
            raise SiteLost(in_words(reply["failed"]))
        self.refused.discard(site)
        return reply
