"""Calls from FLARE's server to its sites that outlive broken links, slow sites and dead ones."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nvflare.collab import collab
from nvflare.collab.api.exceptions import CollabCallError, RunAborted

from flame.federation.calls import Answers
from flame.federation.task import Message

_WAIT, _PING = 5.0, 3.0
"""Seconds that a site holds a question until it has the answer, and to show that it lives."""


class SiteLost(Exception):
    """Why a site gave no answer."""


class Calls:
    """A call that every site is asked side by side, and again where its answer was lost.

    A site that nothing was heard of for ``silence_s`` is lost; from then on it costs a short ping
    at each call, until it answers one. One that takes longer than ``timeout_s`` is lost for this
    call only.
    """

    def __init__(self, names: tuple[str, ...], timeout_s: float, silence_s: float) -> None:
        self.proxies = {name: collab.get_clients([name])[0] for name in names}
        self.timeout_s, self.silence_s = timeout_s, silence_s
        self.silent: set[str] = set()
        self._calls = 0

    def __call__(
        self,
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        **arguments: Any,
    ) -> Answers:
        """What each site answers; what one is given alone reaches no other."""
        self._calls += 1
        number, answers = f"{self._calls}", Answers({})
        with ThreadPoolExecutor(len(sites)) as pool:
            asked = {
                site: pool.submit(
                    self._ask, site, number, method, {**arguments, **(each or {}).get(site, {})}
                )
                for site in sites
            }
        for site, found in asked.items():
            try:
                answers.got[site] = found.result()
            except SiteLost as lost:
                answers.lost[site] = str(lost)
        return answers

    def _ask(self, site: str, number: str, method: str, arguments: Message) -> Message:
        if site in self.silent and not self._lives(site):
            raise SiteLost("is still silent")
        self.silent.discard(site)
        started = heard = time.monotonic()
        known = False
        while time.monotonic() - started < self.timeout_s:
            proxy = self.proxies[site](timeout=self.silence_s + _WAIT)
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
                if time.monotonic() - heard > self.silence_s and not self._lives(site):
                    self.silent.add(site)
                    raise SiteLost(f"was silent for {self.silence_s:g} s") from None
                time.sleep(0.5)
                continue
            heard = time.monotonic()
            known = "unknown" not in answer
            if known and "busy" not in answer:
                return _given(answer)
        raise SiteLost(f"took longer than federation.timeout_s = {self.timeout_s:g} s")

    def _lives(self, site: str) -> bool:
        try:
            return bool(self.proxies[site](timeout=_PING).alive())
        except RunAborted:
            raise
        except CollabCallError:
            return False


def _given(answer: Message) -> Message:
    if "refused" in answer:
        raise SiteLost(str(answer["refused"]))
    if "failed" in answer:
        raise SiteLost(f"failed ({answer['failed']}); its own log says where")
    return answer
