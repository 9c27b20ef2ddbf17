"""Calls from the coordinator to sites, whichever engine carries them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flame.core.errors import FlameError
from flame.federation.task import Message


class SitesLost(FlameError):
    """Sites did not reply. The message names the sites and holds nothing about their patients."""


@dataclass(frozen=True)
class Replies:
    """The replies of sites to a call.

    Args:
        got: replies by site.
        lost: why each other site did not reply, by site. The reasons hold no patient data.
    """

    got: dict[str, Any]
    lost: dict[str, str] = field(default_factory=dict)

    def all(self, method: str) -> dict[str, Any]:
        """Return all replies, or raise an error if a site did not reply.

        Args:
            method: name of the method or query, for the message.

        Returns:
            Replies by site.

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

    Returns:
        Every site with its reason, in order of site name.

    Example:
        >>> said({"b": "was silent", "a": "failed"})
        'site a failed; site b was silent'
    """
    return "; ".join(f"site {name} {why}" for name, why in sorted(lost.items()))


def arguments_of(site: str, each: Mapping[str, Message] | None, arguments: Message) -> Message:
    """Merge the arguments for all sites with those for one site.

    Args:
        site: name of the site.
        each: further arguments by site; they override ``arguments``.
        arguments: arguments for all sites.

    Returns:
        The arguments of the site by name.

    Example:
        >>> arguments_of("a", {"a": {"weights": 1}, "b": {"weights": 2}}, {"number": 3})
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
    ) -> Replies:
        """Call ``method`` at each of ``sites``.

        Args:
            method: name of a method of ``Site``.
            sites: the sites to call.
            each: arguments for one site alone, by site.
            enough: number of replies after which the call returns; 0: it waits for all sites. The
                other sites continue to work. They do not receive the next call of this kind, and
                their reply to this call counts as the reply to the next one.
            **arguments: arguments for all sites.

        Returns:
            Replies by site name, and why other sites are lost.
        """
