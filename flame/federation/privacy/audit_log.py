"""The audit log of a site: a description of every message, written before the message is sent."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from flame.core.errors import Refusal
from flame.core.shown import shown
from flame.federation.compression import BITS, is_rounded
from flame.federation.privacy.secure_aggregation import SECURE_STEPS
from flame.federation.task import Message

_STEPS = {
    "advertised": "public keys",
    "shared": "encrypted shares of keys",
    "hidden": "masked values",
    "agreed": "agreement that the sum is over {alive}",
    "unmasked": "shares of keys that reveal the sum over {agreements}",
}
"""What leaves at each step of a secure sum."""
AUDIT_FILE = "sent.log"
"""Name of the log in the kit of a site."""


class AuditLog:
    """Writes one line per message. If a line cannot be written, the message is not sent.

    Args:
        path: the log file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, method: str, arguments: Mapping[str, Any], reply: Message) -> None:
        """Append a description of a message, and wait until it is on the disk.

        Args:
            method: method of ``Site`` that was called.
            arguments: its arguments by name.
            reply: the return value, which leaves the site afterwards.

        Raises:
            Refusal: the log cannot be written.
        """
        self.note(described(method, arguments, reply))

    def note(self, text: str) -> None:
        """Append a line, and wait until it is on the disk.

        Args:
            text: the line; characters that could forge another one or a terminal's command are
                shown as escapes.

        Raises:
            Refusal: the log cannot be written.
        """
        when = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            self.path.touch(mode=0o600)
            with self.path.open("a", encoding="utf-8") as stream:
                print(f"{when} {shown(text)}", file=stream)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            raise Refusal("cannot write its audit log, so it sends nothing") from None


def described(method: str, arguments: Mapping[str, Any], reply: Message) -> str:
    """Describe a message in words.

    Args:
        method: method of ``Site`` that was called.
        arguments: its arguments by name.
        reply: its return value, or the reason if it has none (``refused`` or ``failed``).

    Returns:
        The description, with the count of the numbers in the message and their size in kB.

    Example:
        >>> described("reply", {"query": "moments"}, {"mean": np.zeros(500)})
        "sums over patients in reply to 'moments' (500 numbers, 4.0 kB)"
    """
    if "refused" in reply or "failed" in reply:
        return f"no reply to '{method}': {reply.get('refused') or reply['failed']}"
    count, size = _numbers(reply)
    amount = f"{count} numbers, {size / 1000:.1f} kB"
    if method == "train" and "weights" not in reply:
        return f"duration of round {arguments['number']} of {arguments['name']}, which is finished"
    if method in SECURE_STEPS:
        listed = {k: ", ".join(sorted(v)) for k, v in arguments.items() if k != "what"}
        step = _STEPS[method].format(**listed)
        return f"{step} of the secure sum '{arguments['what']}' ({size / 1000:.1f} kB)"
    if method == "reply" and "shapes" in reply:
        return f"nothing yet in reply to '{arguments['query']}', which waits for a secure sum"
    if method == "train":
        content = (
            "changes of the weights in"
            if is_rounded(arguments.get("bits", max(BITS)))
            else "weights after"
        )
        also = len(reply.get("also", ()))
        losses = f"their mean losses for {also + 1} models" if also else "their mean loss"
        return (
            f"{content} round {arguments['number']} of {arguments['name']}, learned from "
            f"{reply['patients']} patients, with {losses} ({amount})"
        )
    if method == "reply":
        return f"sums over patients in reply to '{arguments['query']}' ({amount})"
    if method == "initial_weights":
        return f"initial weights of the model, which depend on no patient ({amount})"
    return f"{method}: {', '.join(sorted(reply))} ({amount})"


def size_of(message: Any) -> int:
    """Return the bytes of the numbers and keys of a message.

    Args:
        message: arrays, numbers, bytes, and dictionaries, lists or tuples of them.

    Returns:
        Bytes; texts count nothing.
    """
    return _numbers(message)[1]


def _numbers(value: Any) -> tuple[int, int]:
    """Return the count of the numbers in ``value``, and of their bytes."""
    if isinstance(value, np.ndarray):
        return value.size, value.nbytes
    if isinstance(value, bytes):
        return 0, len(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        parts = [_numbers(part) for part in value]
        return sum(count for count, _ in parts), sum(size for _, size in parts)
    return (1, 8) if isinstance(value, int | float | np.number) else (0, 0)
