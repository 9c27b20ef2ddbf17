"""Calls that reach secure sums directly, and lose sites at chosen steps."""

from collections.abc import Mapping
from typing import Any

from flame.federation.calls import Call, Replies
from flame.federation.privacy.secure_aggregation import SecureSum


def call_of(parts: Mapping[str, SecureSum], lost: Mapping[str, set[str]] | None = None) -> Call:
    """A site of ``lost`` works on its step, but its reply does not arrive, nor any later one."""
    gone: set[str] = set()

    def call(
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Any] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Replies:
        del arguments["what"], enough
        got = {}
        for site in sites:
            reply = getattr(parts[site], method)(**arguments, **(each or {}).get(site, {}))
            got[site] = {method: reply}
        gone.update((lost or {}).get(method, set()))
        said = {site: "was silent for 5 s" for site in sites if site in gone}
        return Replies({s: r for s, r in got.items() if s not in gone}, said)

    return call
