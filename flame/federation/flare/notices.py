"""What server and site tell each other, as lines of a log in the kit."""

from datetime import UTC, datetime
from pathlib import Path

KIT_VARIABLE = "FLAME_KIT"
"""Environment variable of FLARE's process with the folder of its kit."""
NOTICES = "notices.log"
"""Log in a kit of what server and site tell each other, which ``flame join`` and ``serve`` show."""


def note(notices: Path, text: str) -> None:
    """Append a message with the time, unless the last one was the same.

    Args:
        notices: the log.
        text: the message in words.
    """
    before = notices.read_text(encoding="utf-8").splitlines() if notices.exists() else []
    if before and before[-1].endswith(text):
        return
    with notices.open("a", encoding="utf-8") as file:
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {text}", file=file)
