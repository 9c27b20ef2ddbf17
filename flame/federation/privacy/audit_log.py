"""The audit log of a site: every message that leaves, in words, written before it is sent."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.errors import Refusal
from flame.federation.compression import BITS, is_rounded
from flame.federation.task import Message

AUDIT_FILE = "sent.log"
"""Name of the log in the kit of a site."""


class AuditLog:
    """Writes one line per message. If a line cannot be written, the message is not sent.

    Args:
        path: the log file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, method: str, arguments: Mapping[str, Any], answer: Message) -> None:
        """Append a description of a message, and wait until it is on the disk.

        Args:
            method: method of ``Site`` that was called.
            arguments: its arguments by name.
            answer: the return value that is about to leave.

        Raises:
            Refusal: the log cannot be written.
        """
        when = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                print(f"{when} {described(method, arguments, answer)}", file=stream)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            raise Refusal("cannot write its audit log, so it sends nothing") from None


def described(method: str, arguments: Mapping[str, Any], answer: Message) -> str:
    """Describe a message in words, with the count of its numbers and its size.

    Args:
        method: method of ``Site`` that was called.
        arguments: its arguments by name.
        answer: its return value, or why there is none (``refused`` or ``failed``).

    Example:
        >>> described("reply", {"question": "moments"}, {"mean": np.zeros(500)})
        "sums over patients in reply to 'moments' (500 numbers, 4.0 kB)"
    """
    if "refused" in answer or "failed" in answer:
        return f"no answer to '{method}': {answer.get('refused') or answer['failed']}"
    count, size = _numbers(answer)
    amount = f"{count} numbers, {size / 1000:.1f} kB"
    if method == "train" and "weights" not in answer:
        return (
            f"that round {arguments['number']} of {arguments['name']} is learned, and for how long"
        )
    if method == "masked":
        others = f"masks shared by {', '.join(sorted(arguments['keys']))}"
        return (
            f"weights after round {arguments['number']} of {arguments['name']}, mean loss and "
            f"number of patients, hidden by {others} ({amount})"
        )
    if method == "train":
        what = (
            "how far weights moved in"
            if is_rounded(arguments.get("bits", max(BITS)))
            else "weights after"
        )
        return (
            f"{what} round {arguments['number']} of {arguments['name']}, learned from "
            f"{answer['patients']} patients, with their mean loss ({amount})"
        )
    if method == "reply":
        return f"sums over patients in reply to '{arguments['question']}' ({amount})"
    if method == "initial_weights":
        return f"first weights of the model, which no patient has touched ({amount})"
    return f"{method}: {', '.join(sorted(answer))} ({amount})"


def _numbers(value: Any) -> tuple[int, int]:
    """Count the numbers in ``value`` and their bytes."""
    if isinstance(value, np.ndarray):
        return value.size, value.nbytes
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        each = [_numbers(v) for v in value]
        return sum(n for n, _ in each), sum(b for _, b in each)
    return (1, 8) if isinstance(value, int | float | np.number) else (0, 0)
