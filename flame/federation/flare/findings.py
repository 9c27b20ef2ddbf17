"""What a check of a kit found: in order, a warning or a fault, with the remedy in words."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["in order", "warning", "fault"]


@dataclass(frozen=True)
class Finding:
    """One finding.

    Args:
        what: what was checked, such as ``certificate``.
        level: how it stands.
        words: what was found, and the remedy of a fault.
    """

    what: str
    level: Level
    words: str


def good(what: str, words: str) -> Finding:
    """Return a finding that is in order."""
    return Finding(what, "in order", words)


def warning(what: str, words: str) -> Finding:
    """Return a finding that may become a fault."""
    return Finding(what, "warning", words)


def fault(what: str, words: str) -> Finding:
    """Return a finding that keeps the kit from working."""
    return Finding(what, "fault", words)
