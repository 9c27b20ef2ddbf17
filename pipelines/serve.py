"""``flame serve``: the server of a federation, in the foreground."""

from collections.abc import Callable
from pathlib import Path


def run(kit: Path, say: Callable[[str], None]) -> None:
    """Run the server of ``kit`` until it is stopped."""
    from flame.federation.flare.daemon import SERVER, check_kit, keep_running

    keep_running(check_kit(kit, SERVER), {}, say)
