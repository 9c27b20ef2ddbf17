"""Calls from the coordinator to sites, whichever engine carries them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flame.core.errors import FlameError
from flame.federation.task import Message


class SitesLost(FlameError):
    """Sites did not reply. The message names the sites and holds nothing about their patients."""


@dataclass(frozen=True)
class Answers:
    """The replies of sites to a call.

    Args:
        got: replies by site.
        lost: why each other site did not reply, in words that may leave any centre.
    """

    got: dict[str, Any]
    lost: dict[str, str] = field(default_factory=dict)

    def all(self, method: str) -> dict[str, Any]:
        """Return all replies.

        Args:
            method: name of the method or query, for the message.

        Raises:
            SitesLost: a site did not reply.
        """
        if self.lost:
            raise SitesLost(f"'{method}' was not finished: {said(self.lost)}")
        return self.got


def said(lost: Mapping[str, str]) -> str:
    """Describe lost sites in words.

    Args:
        lost: the reason by site.

    Example:
        >>> said({"b": "was silent", "a": "failed"})
        'site a failed; site b was silent'
    """
    return "; ".join(f"site {name} {why}" for name, why in sorted(lost.items()))


def given(site: str, each: Mapping[str, Message] | None, arguments: Message) -> Message:
    """Merge the arguments for all sites with those for one site.

    Args:
        site: name of the site.
        each: further arguments by site; they override ``arguments``.
        arguments: arguments for all sites.

    Example:
        >>> given("a", {"a": {"weights": 1}, "b": {"weights": 2}}, {"number": 3})
        {'number': 3, 'weights': 1}
    """
    return {**arguments, **(each or {}).get(site, {})}


class Call(Protocol):
    """Calls a method of ``Site`` at several sites and collects their replies."""

    def __call__(
        self,
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Answers:
        """Call ``method`` at each of ``sites``.

        Args:
            method: name of a method of ``Site``.
            sites: the sites to call.
            each: arguments for one site alone, by site.
            enough: return once so many sites have replied; 0: wait for all. The other sites go on
                working. They do not receive the next call of this kind, and their reply to this one
                counts as the reply to that.
            arguments: arguments for all sites.

        Returns:
            Replies by site name, and why other sites are lost.
        """
