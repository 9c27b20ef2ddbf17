"""How the coordinator reaches sites, whatever engine carries its calls."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from flame.core.errors import FlameError
from flame.federation.task import Message


class SitesLost(FlameError):
    """Sites that did not answer; its text names them and holds nothing of their patients."""


@dataclass(frozen=True)
class Answers:
    """What sites answered, and why the others did not, in words that may be shown to anyone."""

    got: dict[str, Any]
    lost: dict[str, str] = field(default_factory=dict)

    def all(self, method: str) -> dict[str, Any]:
        """Every answer; SitesLost where one is missing."""
        if self.lost:
            raise SitesLost(f"'{method}' was not finished: {said(self.lost)}")
        return self.got


def said(lost: Mapping[str, str]) -> str:
    """Sites that were lost, each with its reason."""
    return "; ".join(f"site {name} {why}" for name, why in sorted(lost.items()))


def given(site: str, each: Mapping[str, Message] | None, arguments: Message) -> Message:
    """All that one site is given: what everyone is, and what is for it alone."""
    return {**arguments, **(each or {}).get(site, {})}


class Call(Protocol):
    """Calls ``method`` at each of ``sites``."""

    def __call__(
        self,
        method: str,
        sites: tuple[str, ...],
        each: Mapping[str, Message] | None = None,
        enough: int = 0,
        **arguments: Any,
    ) -> Answers:
        """Answers by site name; ``each`` are arguments that only the site named is given.

        With ``enough`` it returns when so many have answered. The others work on: they are not
        given the next call of this kind, and answer it when they are done with this.
        """
