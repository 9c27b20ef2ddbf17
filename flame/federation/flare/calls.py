"""Calls from FLARE's server to its sites that survive broken links, slow sites and dead sites."""

import time
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from nvflare.collab import collab
from nvflare.collab.api.exceptions import CollabCallError, RunAborted

from flame.federation.calls import Answers, given
from flame.federation.task import Message

_WAIT, _PING = 5.0, 3.0
"""Seconds that a site may hold a call until its reply is ready; and time-out of a ping in s."""


class SiteLost(Exception):
    """A site did not reply; the message says why."""


class Calls:
    """Calls sites in parallel, and repeats a call whose reply was lost.

    A site that does not respond for ``heartbeat_timeout_s`` is lost. From then on it is pinged once
    every ``heartbeat_timeout_s``, until it responds. A site that needs longer than ``timeout_s`` is
    lost for this call only. ``silent`` maps each lost site to the time of its next ping, and
    ``refused`` holds the sites that refused a call.

    Args:
        names: names of the sites.
        timeout_s: time that a site has to finish a call, in s.
        heartbeat_timeout_s: time without a response after which a site is lost, in s.
    """

    def __init__(
        self, names: tuple[str, ...], timeout_s: float, heartbeat_timeout_s: float
    ) -> None:
        self.proxies = {name: collab.get_clients([name])[0] for name in names}
        self.timeout_s, self.heartbeat_timeout_s = timeout_s, heartbeat_timeout_s
        self.silent: dict[str, float] = {}
        self.refused: set[str] = set()
        self._calls = 0
        self._pool = ThreadPoolExecutor(len(names))
        self._asked: dict[str, Future[Message]] = {}

    def __call__(
        self,
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Answers:
        """Call ``method`` at each of ``sites``; see ``flame.federation.calls.Call``."""
        if not enough:
            wait(self._asked.values())  # replies that no call waited for are dropped
            self._asked.clear()
        self._calls += 1
        for site in sites:
            if site not in self._asked:
                mine = given(site, each, arguments)
                self._asked[site] = self._pool.submit(
                    self._ask, site, f"{self._calls}", method, mine
                )
        self._wait_for(enough or len(sites))
        answers = Answers({})
        for site in [s for s, asked in self._asked.items() if asked.done()]:
            try:
                answers.got[site] = self._asked.pop(site).result()
            except SiteLost as lost:
                answers.lost[site] = str(lost)
        return answers

    def _wait_for(self, count: int) -> None:
        while sum(asked.done() for asked in self._asked.values()) < min(count, len(self._asked)):
            wait([a for a in self._asked.values() if not a.done()], return_when=FIRST_COMPLETED)

    def _ask(self, site: str, number: str, method: str, arguments: Message) -> Message:
        if site in self.silent:
            if time.monotonic() < self.silent[site] or not self._lives(site):
                raise SiteLost("is still silent")
            del self.silent[site]
        started = heard = time.monotonic()
        known = False
        while time.monotonic() - started < self.timeout_s:
            proxy = self.proxies[site](timeout=self.heartbeat_timeout_s + _WAIT)
            try:
                if known:
                    answer = proxy.again(number=number, wait=_WAIT)
                else:
                    answer = proxy.call(
                        number=number, method=method, arguments=arguments, wait=_WAIT
                    )
            except RunAborted:
                raise
            except CollabCallError:
                if time.monotonic() - heard > self.heartbeat_timeout_s and not self._lives(site):
                    raise SiteLost(f"was silent for {self.heartbeat_timeout_s:g} s") from None
                time.sleep(0.5)
                continue
            heard = time.monotonic()
            known = "unknown" not in answer
            if known and "busy" not in answer:
                return self._given(site, answer)
        raise SiteLost(f"took longer than federation.timeout_s = {self.timeout_s:g} s")

    def _lives(self, site: str) -> bool:
        try:
            return bool(self.proxies[site](timeout=_PING).alive())
        except RunAborted:
            raise
        except CollabCallError:
            self.silent[site] = time.monotonic() + self.heartbeat_timeout_s
            return False

    def _given(self, site: str, answer: Message) -> Message:
        if "refused" in answer:
            self.refused.add(site)
            raise SiteLost(str(answer["refused"]))
        if "failed" in answer:
            raise SiteLost(f"failed ({answer['failed']}); its own log says where")
        return answer
