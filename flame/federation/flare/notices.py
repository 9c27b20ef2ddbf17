"""What server and site tell each other, as lines of a log in the kit."""

import re
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from flame.core.shown import shown

KIT_VARIABLE = "FLAME_KIT"
"""Environment variable of FLARE's process with the folder of its kit."""
NOTICES = "notices.log"
"""Log in a kit of what server and site tell each other, which ``flame join`` and ``serve`` show."""

_LONGEST = 300
"""Letters of a notice that are written."""
_REMEMBERED = 20
"""Latest notices that are not written again while the process runs."""
_LAST: dict[Path, deque[str]] = {}
_WRITING = Lock()


def note(notices: Path, text: str) -> None:
    """Append a message with the time, unless one of the last ones was the same but for numbers.

    Args:
        notices: the log.
        text: the message in words, of which the beginning is written, in one line.
    """
    line = shown(text)[:_LONGEST]
    with _WRITING:
        known = _LAST.setdefault(notices, deque(maxlen=_REMEMBERED))
        key = re.sub(r"\d+", "0", line)
        if key in known:
            return
        known.append(key)
    with notices.open("a", encoding="utf-8") as file:
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {line}", file=file)
